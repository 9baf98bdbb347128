"""The app of keys and encrypted fields."""

from django.apps import AppConfig


class CryptoConfig(AppConfig):
    """Keys and field encryption; its tables live in the keys database."""

    name = "identity_privacy.crypto"
    label = "crypto"
