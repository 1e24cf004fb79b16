"""The machinery, which serves any generator and any discriminator and imports no file of the experiment."""
