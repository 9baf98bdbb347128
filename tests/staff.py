"""Members of staff: Dana is the DPO of Lindwerk, Otto that of Otherwerk, who must see nothing of Lindwerk's."""

from django.test import Client
from guardian.shortcuts import assign_perm

from identity_privacy.access.models import Controller, User

PASS_PHRASE = "a long pass phrase"


def hire(name: str, *controllers: Controller) -> User:
    """A member of staff who works in the console of these controllers."""
    user = User.objects.create_staff(name, PASS_PHRASE)
    for controller in controllers:
        assign_perm("access.work_console", user, controller)
    return user


def at_work(user: User, host: str = "localhost") -> Client:
    """Their browser, signed in, at the console under this host name."""
    client = Client(headers={"host": host})
    client.force_login(user)
    return client
