"""The console at `/console/`: Django's own admin, read-only, for the controllers that a member of staff works for.

Each app declares its pages in its `admin.py` as `ConsoleAdmin`s. Lists and pages show pseudonyms, references and
states; no Reading is opened here, so an encrypted value could not be shown even by mistake. Every act is a POST to a
URL of its own and calls a service.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ClassVar, Protocol, TypeVar, cast
from uuid import UUID

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import translation
from django.utils.functional import Promise, cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from identity_privacy.access.models import Controller, User
from identity_privacy.access.roles import controllers_for
from identity_privacy.actors import Actor

Row = TypeVar("Row", bound=Model)
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def actor_of(request: HttpRequest) -> Actor:
    """The member of staff who acts, for the audit log."""
    if not isinstance(request.user, User):
        raise TypeError("only a member of staff acts in the console")
    return Actor.user(request.user.id)


def back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """After an act, to the page that its button stood on."""
    at = request.POST.get("next", "")
    # Only a path of our own: the field comes from the browser.
    return HttpResponseRedirect(at if url_has_allowed_host_and_scheme(at, allowed_hosts=None) else otherwise)


def in_english(view: View) -> View:
    """A view whose page is made in English, whatever the browser asks for: the console has no other language yet."""

    @wraps(view)
    def inner(*args: object, **kwargs: object) -> HttpResponseBase:
        with translation.override("en"):
            response = view(*args, **kwargs)
            return response.render() if isinstance(response, TemplateResponse) else response

    return cast("View", inner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One line of the side list."""

    heading: str | Promise
    icon: str
    url: str
    count: int | None
    is_current: bool


class LongListPaginator(Paginator[Row]):
    """Counts no further than people leaf, so that the first page of a list of millions is there at once."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        """How many there are, up to the most that are counted."""
        counted = self.object_list[: self.most]
        return counted.count() if isinstance(counted, QuerySet) else len(counted)

    @property
    def is_cut(self) -> bool:
        """Whether there may be more than were counted."""
        return self.count == self.most


class ConsoleList(ChangeList):
    """A list page; `rows` are what its template shows, worked out for the whole page at once."""

    rows: Sequence[object]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page's objects, then what is shown of them."""
        super().get_results(request)
        if isinstance(self.model_admin, ConsoleAdmin):
            self.rows = self.model_admin.rows(request, list(self.result_list))


class ConsoleAdmin(ModelAdmin[Row]):
    """One kind of thing in the console: a list, and a page for each. Nothing can be added, changed or deleted."""

    heading: ClassVar[str | Promise]
    icon: ClassVar[str]
    position: ClassVar[int]
    # The path from a row to its controller; a row of another controller does not exist here.
    controller_path: ClassVar[str] = "controller"

    actions = None
    list_per_page = 50
    show_full_result_count = False
    has_page = True

    def rows(self, request: HttpRequest, objects: Sequence[Row]) -> Sequence[object]:
        """What the list shows of each object; the objects themselves, unless that needs more than they hold."""
        return objects

    def page(self, request: HttpRequest, row: Row) -> Mapping[str, object]:
        """What the page of one object shows, for its template."""
        raise NotImplementedError

    def acts(self) -> Sequence[URLPattern]:
        """The URLs of this kind's acts."""
        return ()

    def count(self, request: HttpRequest) -> int | None:
        """The number beside this kind in the side list: how many are open, or need a person."""
        return None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Only rows of the controllers that this member of staff works for."""
        return super().get_queryset(request).filter(**{f"{self.controller_path}__in": controllers_for(request)})

    def get_urls(self) -> list[URLPattern]:
        """The list, the page and the acts, and none of the admin's forms."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        urls = [path("", self.view(self.changelist_view), name=f"{name}_changelist"), *self.acts()]
        if self.has_page:
            urls.append(path("<uuid:object_id>/", self.view(self.page_view), name=f"{name}_change"))
        return urls

    def view(self, view: View) -> View:
        """A view behind the console's door."""
        return self.admin_site.admin_view(view)

    def page_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """The page of one object."""
        row = get_object_or_404(self.get_queryset(request), pk=object_id)
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/{self.opts.app_label}/{self.opts.model_name}/page.html",
            {**self.admin_site.each_context(request), "title": self.heading, **self.page(request, row)},
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under its own heading."""
        return super().changelist_view(request, {"title": self.heading, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ConsoleList]:
        """Lists show rows."""
        return ConsoleList

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Whoever is in the console may look; the queryset decides at what."""
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As `has_view_permission`."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is added by a form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Nothing is changed by a form."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Nothing is deleted."""
        return False


class Today(Protocol):
    """Makes the first page; registered by the highest floor, which knows what is due."""

    def __call__(self, request: HttpRequest) -> Mapping[str, object]:
        """What the page shows, for its template."""


class ConsoleSite(AdminSite):
    """The console: its door, its first page and its side list."""

    site_title = _("Console")
    site_header = _("Console")
    index_title = _("Today")
    site_url = None
    enable_nav_sidebar = False
    today: Today

    # Of Django's own pages those that the console has; its other URLs are not served.
    _own_pages: ClassVar[frozenset[str | None]] = frozenset({"index", "login", "logout", None})

    def register(
        self,
        model_or_iterable: type[Row] | Iterable[type[Row]],
        admin_class: type[ModelAdmin[Row]] | None = None,
        **options: object,
    ) -> None:
        """Take only pages that are read-only and limited by controller: what installed packages bring stays out."""
        if admin_class is not None and issubclass(admin_class, ConsoleAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff who work in the console of at least one controller."""
        return bool(self._controllers(request))

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """A view behind the console's door."""
        return in_english(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The door."""
        return in_english(super().login)(request, extra_context)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """The console's pages and nothing else of the admin's."""
        return [url for url in super().get_urls() if isinstance(url, URLResolver) or url.name in self._own_pages]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page of the console needs."""
        controllers = self._controllers(request)
        return {
            "site_title": self.site_title,
            "site_header": " · ".join(controller.name for controller in controllers) or self.site_header,
            "site_url": self.site_url,
            "has_permission": bool(controllers),
            "places": list(self._places(request)) if controllers else [],
            "is_popup": False,
            "is_nav_sidebar_enabled": False,
        }

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Today."""
        request.current_app = self.name
        return TemplateResponse(
            request,
            "admin/index.html",
            {**self.each_context(request), "title": self.index_title, **self.today(request), **(extra_context or {})},
        )

    def _controllers(self, request: HttpRequest) -> list[Controller]:
        # Asked several times for each page, so looked up once; a request's rights do not change on its way.
        known: list[Controller] | None = getattr(request, "console_controllers", None)
        if known is None:
            known = list(controllers_for(request).order_by("name"))
            request.console_controllers = known  # type: ignore[attr-defined]  # read above
        return known

    def _places(self, request: HttpRequest) -> list[Place]:
        place = partial(self._place, request)
        pages = sorted(
            (page for page in self._registry.values() if isinstance(page, ConsoleAdmin)), key=lambda page: page.position
        )
        return [
            place(heading=self.index_title, icon="home", url=reverse("admin:index"), count=None),
            *(
                place(
                    heading=page.heading,
                    icon=page.icon,
                    url=reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"),
                    count=page.count(request),
                )
                for page in pages
            ),
        ]

    def _place(self, request: HttpRequest, *, heading: str | Promise, icon: str, url: str, count: int | None) -> Place:
        at_home = url == reverse("admin:index")
        is_current = request.path == url if at_home else request.path.startswith(url)
        return Place(heading=heading, icon=icon, url=url, count=count, is_current=is_current)
