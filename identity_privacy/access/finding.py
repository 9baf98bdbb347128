"""Finding what an operator names on the command line."""

from identity_privacy.access.models import ApiClient, Controller, User
from identity_privacy.errors import NotFound


def controller_named(code: str) -> Controller:
    """The controller with this code. Raises: NotFound, which says what there is."""
    if found := Controller.objects.filter(code=code).first():
        return found
    known = ", ".join(Controller.objects.order_by("code").values_list("code", flat=True)) or "none"
    raise NotFound(f"no controller {code}; there is: {known}")


def staff_named(username: str) -> User:
    """The member of staff with this name. Raises: NotFound."""
    if found := User.objects.filter(username=username, is_staff=True).first():
        return found
    raise NotFound(f"no member of staff {username}; `staff list` shows all")


def api_client_named(controller: Controller, code: str) -> ApiClient:
    """The controller's program with this code. Raises: NotFound."""
    if found := ApiClient.objects.filter(controller=controller, code=code).first():
        return found
    raise NotFound(f"no API client {code} of {controller.code}; `api_client list` shows all")
