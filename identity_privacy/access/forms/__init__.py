"""What people type to sign in."""

from identity_privacy.access.forms.codes import CodeForm, EmailForm

__all__ = ["CodeForm", "EmailForm"]
