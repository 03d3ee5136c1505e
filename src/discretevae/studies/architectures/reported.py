"""What the report that the study follows has published."""

__all__ = ["NOTEBOOK", "REPORTED"]

REPORTED: dict[str, dict[str, float]] = {
    "MLP": {"test ELBO": -100.86, "NMI": 0.389, "ARI": 0.242},
    "CNN": {"test ELBO": -96.04},
}
"""Network → its figures on MNIST in Table 1 of "Discrete Variational Autoencoders (DVAE) with MLP
and CNN Architectures": a latent of K = 10 by "argmax or Gumbel-Softmax", 200 epochs."""
NOTEBOOK = (
    "Where the report's figures may come from: a public notebook "
    "(github.com/lililiyabbayx/CSE425-Neural-Network-Project, read in November 2026) prints, digit "
    "for digit, those of the MLP: test ELBO −100.8596, NMI 0.3888, ARI 0.2420. Its model has 8 "
    "latents of 16 categories, not one of 10, and layers of 512 and 256 units; its pixels are "
    "drawn afresh; it decodes hard samples, so that −100.86 is an estimate of a true ELBO. The "
    "positives of its contrastive loss are the examples with the same label, and the loss is added "
    "to what is maximised. Its part on the CNN we have not read."
)
"""What else is known of them."""
