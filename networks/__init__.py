"""Networks to train instead of gan_module.py's: `--model.generator networks.dcgan.Generator`. Yours can lie here too."""
