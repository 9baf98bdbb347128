"""An app such as somebody else would write it, on the public names of `identity_privacy.crypto` alone."""
