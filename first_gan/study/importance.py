"""How much each option matters, by Optuna."""

import warnings
from collections.abc import Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from first_gan.study.results import Outcome
from first_gan.study.space import text_of

FEWEST, TOP = 10, 5  # trials that are done, and the best of them that the evaluator asks for at least


def importance(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Each option's importance for being among the best trials, adding up to 1: PED-ANOVA (Watanabe et al. 2023).

    Empty for one option, and where fewer than ten trials are done. Each value counts as a category of its own where no more than
    ten are tried; numbers of a search as numbers.
    """
    done = [each for each in outcomes if each.fcd is not None and each.setting]
    values = {
        name: [(each.setting or {}).get(name) for each in done] for name in (done[0].setting or {} if done else {})
    }
    kinds = {name: list(dict.fromkeys(map(text_of, of))) for name, of in values.items()}
    differing = [name for name, texts in kinds.items() if len(texts) > 1]
    if len(done) < FEWEST or len(differing) < 2:
        return {}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for name in differing:
        numbers = [value for value in values[name] if isinstance(value, (int, float))]
        if len(kinds[name]) > FEWEST and len(numbers) == len(done):
            low, high = min(numbers), max(numbers)
            distributions[name] = optuna.distributions.FloatDistribution(low, high, log=low > 0 and high > 10 * low)
        else:
            distributions[name] = optuna.distributions.CategoricalDistribution(sorted(kinds[name]))
    study = optuna.create_study(direction="minimize")
    for each in done:
        setting = each.setting or {}
        params = {
            name: setting[name] if isinstance(kind, optuna.distributions.FloatDistribution) else text_of(setting[name])
            for name, kind in distributions.items()
        }
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=each.fcd))
    quantile = min(0.5, max(0.1, TOP / len(done)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.importance.get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile)
        )
