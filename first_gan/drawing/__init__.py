"""Latent vectors, images, films and exports of a generator."""
