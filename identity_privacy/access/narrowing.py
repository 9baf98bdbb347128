"""The filters above the console's list of audit entries: one form, in the words of the list's columns."""

from datetime import date, datetime, time, timedelta
from typing import Final

from django import forms
from django.contrib.admin import ListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import get_current_timezone
from django.utils.translation import gettext_lazy as _

from identity_privacy.audit.finding import Wanted, matching
from identity_privacy.audit.models import Entry
from identity_privacy.audit.vocabulary import WORDS


def _actions() -> list[tuple[str, str]]:
    """All, or one, in the order of their words."""
    return [
        ("", str(_("Anything"))),
        *sorted(((name, str(words)) for name, words in WORDS.items()), key=lambda row: row[1]),
    ]


class _Day(forms.DateField):
    """A day; the first and the last that there are have none before or after them, and are no days here."""

    widget = forms.DateInput(attrs={"type": "date"})
    default_validators = [MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(9000, 1, 1))]


class EntriesForm(forms.Form):
    """Which entries; what is left empty does not matter."""

    action = forms.ChoiceField(label=_("What was done"), choices=_actions, required=False)
    subject = forms.UUIDField(
        label=_("For whom: a person’s pseudonym"),
        required=False,
        error_messages={"invalid": _("Enter the pseudonym in full, as the list of people shows it")},
    )
    actor = forms.CharField(label=_("By whom: an id"), max_length=64, required=False)
    target = forms.CharField(label=_("On what: an id"), max_length=64, required=False)
    request = forms.CharField(label=_("In which web request or task: an id"), max_length=64, required=False)
    first = _Day(label=_("From this day"), required=False)
    last = _Day(label=_("Until this day"), required=False)

    def wanted(self) -> Wanted:
        """What a valid form asks for; days are those of the controller."""
        given = self.cleaned_data
        return Wanted(
            subject=given["subject"],
            actor=given["actor"],
            action=given["action"],
            target=given["target"],
            request=given["request"],
            since=_begin_of(given["first"]),
            until=_begin_of(given["last"] + timedelta(days=1) if given["last"] else None),
        )

    def filled_in(self) -> list[str]:
        """The names of the fields that say something."""
        return [name for name in self.fields if self.data.get(name)]


NAMES: Final = tuple(EntriesForm.base_fields)


class EntriesFilter(ListFilter):
    """The form as a filter of the admin's list; one that cannot be read finds nothing, and says why."""

    title = str(_("Narrow down"))

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Entry], model_admin: object
    ) -> None:
        super().__init__(request, params, model, model_admin)  # type: ignore[arg-type]  # any admin will do
        # What is taken out of `params` is no lookup any more.
        self.form = EntriesForm({name: params.pop(name)[-1] for name in NAMES if name in params})

    def has_output(self) -> bool:
        """It is always there."""
        return True

    def choices(self, changelist: ChangeList) -> list[dict[str, object]]:  # type: ignore[override]  # a private type
        """None: it is a form."""
        return []

    def expected_parameters(self) -> list[str | None]:
        """The form's fields."""
        return list(NAMES)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        """Those that the form asks for."""
        return matching(queryset, self.form.wanted()) if self.form.is_valid() else queryset.none()


def _begin_of(day: date | None) -> datetime | None:
    return datetime.combine(day, time.min, tzinfo=get_current_timezone()) if day else None
