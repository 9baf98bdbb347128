"""The address and the mailed code, as people type them."""

from typing import Final

from django import forms
from django.utils.translation import gettext_lazy as _

_EMAIL_NEEDED: Final = _("Enter an e-mail address with an @, like name@example.org")
_CODE_NEEDED: Final = _("Enter the six digits of the code")


class EmailForm(forms.Form):
    """Where to send the code."""

    email = forms.EmailField(error_messages={"required": _EMAIL_NEEDED, "invalid": _EMAIL_NEEDED})


class CodeForm(forms.Form):
    """The code as typed; spaces between the digits do no harm."""

    code = forms.CharField(error_messages={"required": _CODE_NEEDED}, max_length=20)

    def clean_code(self) -> str:
        """Six digits, whatever stands between them."""
        code = "".join(self.cleaned_data["code"].split())
        if len(code) != 6 or not code.isdecimal():
            raise forms.ValidationError(_CODE_NEEDED)
        return code
