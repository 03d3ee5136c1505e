"""The formats that data come in: one file each, read in one way whatever is made of them."""
