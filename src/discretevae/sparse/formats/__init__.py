"""Files of sparse autoencoders, one module a format."""
