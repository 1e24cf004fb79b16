"""Networks to train instead of gan_networks.py's: `--model.generator networks.dcgan.Generator`. Yours can lie here too."""
