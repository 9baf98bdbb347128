"""The console at `/console/`: Django's own admin, read-only, for what the roles of a member of staff allow.

Each app declares its pages in its `admin.py` as `ConsoleAdmin`s. Lists and pages show pseudonyms, references and
states; no Reading is opened here, so an encrypted value could not be shown even by mistake. Every act is a POST to a
URL of its own and calls a service. What one may not see does not exist (404); an act that one may not do is refused
(403).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar, cast
from uuid import UUID

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.functional import Promise, cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from identity_privacy.access.limits import CONSOLE_TRIES, TRIES_OF_A_NAME, network_of, refuse_beyond
from identity_privacy.access.models import Controller, User
from identity_privacy.access.providers import may_lead_to, providers_of
from identity_privacy.access.roles import controllers_for, permissions_of
from identity_privacy.access.staff_door import Door, needs_second_factor, recovery_codes, set_up
from identity_privacy.access.terms import Permission
from identity_privacy.actors import Actor
from identity_privacy.errors import NotFound, NotPermitted

Row = TypeVar("Row", bound=Model)
Callback: TypeAlias = Callable[..., HttpResponseBase]
View = TypeVar("View", bound=Callback)


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
    # What lets one see the list and the pages.
    permission: ClassVar[Permission]
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

    def controllers(self, request: HttpRequest) -> Set[UUID]:
        """The ids of those whose things this member of staff may see here."""
        return controllers_for(request, self.permission)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Only rows of those controllers."""
        return super().get_queryset(request).filter(**{f"{self.controller_path}__in": self.controllers(request)})

    def rows_for(self, request: HttpRequest, permission: Permission) -> QuerySet[Row]:
        """Those of them with which this member of staff may do this."""
        controllers = controllers_for(request, permission)
        return self.get_queryset(request).filter(**{f"{self.controller_path}__in": controllers})

    def row_for(self, request: HttpRequest, row_id: UUID, permission: Permission) -> Row:
        """One of them, to do this with. Raises: Http404; NotPermitted, where they may only look."""
        row = get_object_or_404(self.get_queryset(request), pk=row_id)
        if not self.rows_for(request, permission).filter(pk=row_id).exists():
            raise NotPermitted
        return row

    @method_decorator(require_POST)
    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Out, to the door."""
        logout(request)
        return redirect("admin:login")

    def get_urls(self) -> list[URLPattern]:
        """The list, the page and the acts, and none of the admin's forms."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        urls = [path("", self.view(require_safe(self.changelist_view)), name=f"{name}_changelist"), *self.acts()]
        if self.has_page:
            urls.append(path("<uuid:object_id>/", self.view(require_safe(self.page_view)), name=f"{name}_change"))
        return urls

    def view(self, view: Callback) -> Callback:
        """A view behind the console's door, for whoever may see this kind of thing."""

        @wraps(view)
        def inner(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if not self.has_view_permission(request):
                raise NotFound
            return view(request, *args, **kwargs)

        return self.admin_site.admin_view(inner)

    def act(self, view: Callable[[HttpRequest], HttpResponseBase], permission: Permission) -> Callback:
        """A view that does something, by POST, for whoever may do that for one controller at least."""

        @wraps(view)
        def inner(request: HttpRequest) -> HttpResponseBase:
            if permission not in permissions_of(request):
                raise NotPermitted
            return view(request)

        return self.view(require_POST(inner))

    def act_on(self, view: Callable[[HttpRequest, Row], HttpResponseBase], permission: Permission) -> Callback:
        """A view that does something with one row, by POST, for whoever may do that for the row's controller."""

        @wraps(view)
        def inner(request: HttpRequest, object_id: UUID) -> HttpResponseBase:
            return view(request, self.row_for(request, object_id, permission))

        return self.view(require_POST(inner))

    def page_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """The page of one object."""
        row = get_object_or_404(self.get_queryset(request), pk=object_id)
        request.current_app = self.admin_site.name
        context = self.admin_site.each_context(request)
        # What may be done with this row, not with any: each is a controller's own.
        context |= {"title": self.heading, "may": permissions_of(request, getattr(row, "controller_id", None))}
        template = f"admin/{self.opts.app_label}/{self.opts.model_name}/page.html"
        return TemplateResponse(request, template, {**context, **self.page(request, row)})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under its own heading."""
        return super().changelist_view(request, {"title": self.heading, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ConsoleList]:
        """Lists show rows."""
        return ConsoleList

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Whether they may look; the queryset decides at what."""
        return self.permission in permissions_of(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As `has_view_permission`."""
        return self.has_view_permission(request)

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
        return Permission.WORK_CONSOLE in permissions_of(request)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """A view behind the console's door."""
        return in_english(super().admin_view(view, cacheable))

    @method_decorator(require_http_methods(["GET", "POST"]))
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The door. Raises: TooOften, for whoever tries many names or passwords."""
        if request.method == "POST":
            refuse_beyond(CONSOLE_TRIES, network_of(request))
            refuse_beyond(TRIES_OF_A_NAME, request.POST.get("username", "").casefold())
        elif self.has_permission(request):
            return redirect("admin:index")
        elif needs_second_factor(request):
            return redirect("admin:second_factor")
        at: Controller | None = getattr(request, "controller", None)
        context = {
            **self.each_context(request),
            "providers": [one for one in providers_of(at.code) if one.staff is not None] if at else [],
            "app_path": request.get_full_path(),
            REDIRECT_FIELD_NAME: request.GET.get(REDIRECT_FIELD_NAME, reverse("admin:index")),
            **(extra_context or {}),
        }
        door = Door.as_view(
            template_name="admin/login.html", authentication_form=AdminAuthenticationForm, extra_context=context
        )
        page = in_english(never_cache(door))(request)
        return cast("HttpResponse", may_lead_to(page, context["providers"]))

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """The console's pages and nothing else of the admin's."""
        own = [url for url in super().get_urls() if isinstance(url, URLResolver) or url.name in self._own_pages]
        return [
            path("second-factor/", in_english(set_up), name="second_factor"),
            path("recovery-codes/", in_english(recovery_codes), name="recovery_codes"),
            *own,
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page of the console needs."""
        is_inside = self.has_permission(request)
        controllers = self._controllers(request) if is_inside else []
        return {
            "site_title": self.site_title,
            "site_header": " · ".join(controller.name for controller in controllers) or self.site_header,
            "site_url": self.site_url,
            "has_permission": is_inside,
            "places": self._places(request) if is_inside else [],
            "may": permissions_of(request),
            "is_popup": False,
            "is_nav_sidebar_enabled": False,
        }

    @method_decorator(require_safe)
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Today."""
        request.current_app = self.name
        return TemplateResponse(
            request,
            "admin/index.html",
            {**self.each_context(request), "title": self.index_title, **self.today(request), **(extra_context or {})},
        )

    def _controllers(self, request: HttpRequest) -> Iterable[Controller]:
        at: Controller | None = getattr(request, "controller", None)
        if at is not None:
            return [at]
        return Controller.objects.filter(pk__in=controllers_for(request, Permission.WORK_CONSOLE)).order_by("name")

    def _places(self, request: HttpRequest) -> list[Place]:
        place = partial(self._place, request)
        pages = sorted(
            (
                page
                for page in self._registry.values()
                if isinstance(page, ConsoleAdmin) and page.has_view_permission(request)
            ),
            key=lambda page: page.position,
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
