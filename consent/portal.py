"""My choices: each use of the person's data, one switch, the exact text, and what they did about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import get_language, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from consent import services
from consent.models import ConsentEvent, ConsentState, Notice, Purpose
from consent.terms import Channel, ConsentAction
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import for_subject
from identity_privacy.actors import Actor
from identity_privacy.delivery.models import Message

_HISTORY_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One switch row."""

    purpose: Purpose
    is_on: bool
    action: str
    since: datetime | None
    notice: Notice | None
    saved: str
    all_confirmed: bool


@never_cache
@require_safe
@for_subject
def choices(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """Every use of the person's data, those they decide on and those they do not."""
    context = {
        "current": "choices",
        "choices": _choices(request.controller.id, subject_id),
        "unasked": Purpose.objects.of(request.controller.id).not_asked(),
        "history": ConsentEvent.objects.about(subject_id)[:_HISTORY_LENGTH],
    }
    return render(request, "consent/choices.html", context)


@never_cache
@require_POST
@for_subject
def switch(request: PortalRequest, subject_id: UUID, code: str) -> HttpResponse:
    """Say yes or no to one use; `on` says what is wanted, so that a form sent twice does no harm."""
    purpose = get_object_or_404(Purpose.objects.of(request.controller.id).asked(), code=code)
    if (answer := request.POST.get("on")) not in {"yes", "no"}:
        return HttpResponseBadRequest()
    wants = answer == "yes"
    standing = ConsentState.objects.of(subject_id).filter(purpose=purpose).first()
    if standing is None or wants != (standing.action == ConsentAction.GIVEN):
        was_given = standing is not None and standing.action == ConsentAction.GIVEN
        services.record_choice(
            actor=Actor.subject(subject_id),
            subject_id=subject_id,
            purpose=purpose,
            action=_action(wants=wants, was_given=was_given),
            notice=_notice(purpose),
            channel=Channel.PORTAL,
            method="switch",
        )
    if request.headers.get("HX-Request"):
        [choice] = [row for row in _choices(request.controller.id, subject_id) if row.purpose == purpose]
        return render(request, "consent/_choice.html", {"choice": choice, "is_new": True})
    return redirect(f"{request.path.removesuffix(f'{code}/')}#choice-{code}")


@never_cache
@require_POST
@for_subject
def answer_all(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """Say yes, or no, to every use that asks."""
    if (answer := request.POST.get("answer")) not in {"accept", "refuse"}:
        return HttpResponseBadRequest()
    services.answer_all(
        actor=Actor.subject(subject_id),
        controller=request.controller,
        subject_id=subject_id,
        locale=_locale(),
        is_yes=answer == "accept",
    )
    return redirect("consent:choices")


def _choices(controller_id: UUID, subject_id: UUID) -> Sequence[Choice]:
    purposes = Purpose.objects.of(controller_id).asked()
    states = {state.purpose_id: state for state in ConsentState.objects.of(subject_id).filter(purpose__in=purposes)}
    return [_choice(purpose, states.get(purpose.id)) for purpose in purposes]


def _choice(purpose: Purpose, state: ConsentState | None) -> Choice:
    messages = list(Message.objects.filter(about_id=state.event_id)) if state else []
    confirmed = sum(message.delivered_at is not None for message in messages)
    return Choice(
        purpose=purpose,
        is_on=state is not None and state.action == ConsentAction.GIVEN,
        action=state.action if state else "",
        since=state.since if state else None,
        # What a yes rests on is the text of that day; else the text that a yes given now would rest on.
        notice=(state.event.notice if state and state.action == ConsentAction.GIVEN else None) or _notice(purpose),
        saved=_saved(confirmed, len(messages)),
        all_confirmed=confirmed == len(messages),
    )


def _saved(confirmed: int, told: int) -> str:
    if not told:
        return ""
    return ngettext(
        "Saved. %(confirmed)s of %(told)s systems has confirmed",
        "Saved. %(confirmed)s of %(told)s systems have confirmed",
        confirmed,
    ) % {"confirmed": confirmed, "told": told}


def _action(*, wants: bool, was_given: bool) -> ConsentAction:
    if wants:
        return ConsentAction.GIVEN
    return ConsentAction.WITHDRAWN if was_given else ConsentAction.REFUSED


def _notice(purpose: Purpose) -> Notice | None:
    return purpose.notices.shown_in(_locale()).first()


def _locale() -> str:
    return (get_language() or "en").split("-")[0]


app_name = "consent"
urlpatterns = [
    path("choices/", choices, name="choices"),
    path("choices/all/", answer_all, name="answer-all"),
    path("choices/<slug:code>/", switch, name="switch"),
]
