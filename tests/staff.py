"""Members of staff: Dana is the DPO of Lindwerk, Otto that of Otherwerk, who must see nothing of Lindwerk's."""

from django.test import Client

from identity_privacy.access.models import Controller, User
from identity_privacy.access.roles import group_of
from identity_privacy.access.terms import Role

PASS_PHRASE = "a long pass phrase"


def hire(name: str, *controllers: Controller, role: Role = Role.DPO) -> User:
    """A member of staff who has this role for these controllers."""
    user = User.objects.create_staff(name, PASS_PHRASE)
    for controller in controllers:
        user.groups.add(group_of(controller, role))
    return user


def at_work(user: User, host: str = "localhost") -> Client:
    """Their browser, signed in, at the console under this host name."""
    client = Client(headers={"host": host})
    client.force_login(user)
    return client
