"""How the secrets of programs are hashed."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class RandomSecretHasher(PBKDF2PasswordHasher):
    """For secrets of 256 random bits, which nobody can guess: more rounds would slow down us alone."""

    algorithm = "pbkdf2_sha256_random"
    iterations = 1
