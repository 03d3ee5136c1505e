"""Codes of a trained model as files, and data compressed by it."""

from discretevae.codes.batches import batch_size
from discretevae.codes.compression import compress_codes, compress_file, decompress_file
from discretevae.codes.encode import encode
from discretevae.codes.errors import CodesError
from discretevae.codes.files import decode_file, encode_file
from discretevae.codes.identity import model_identity

__all__ = [
    "CodesError",
    "batch_size",
    "compress_codes",
    "compress_file",
    "decode_file",
    "decompress_file",
    "encode",
    "encode_file",
    "model_identity",
]
