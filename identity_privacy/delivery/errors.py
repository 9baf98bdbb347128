"""What can go wrong in delivery."""

from uuid import UUID

from identity_privacy.errors import Invalid, NotAuthenticated, Refused


class SystemCodeTaken(Refused):
    """The controller already has a linked system with this code; codes are never used twice."""

    code = "system-code-taken"
    title = "There is already a linked system with this code"

    def __init__(self, system_code: str) -> None:
        super().__init__(system_code)
        self.system_code = system_code


class EndpointRefused(Invalid):
    """The endpoint is not an https address of a public host."""

    code = "endpoint-refused"
    title = "This endpoint cannot be called"


class NotDead(Refused):
    """Only a message that was given up is replayed; a pending one is tried again by itself."""

    code = "not-dead"
    title = "This message was not given up"

    def __init__(self, message_id: UUID) -> None:
        super().__init__(str(message_id))
        self.message_id = message_id


class UnverifiedWebhook(NotAuthenticated):
    """The webhook headers are missing, malformed or too old, or no signature is by a key that we know."""

    code = "unverified-webhook"
    title = "The signature could not be verified"


class UnreadableSecret(Invalid):
    """A webhook secret or key is not in its published form (`whsec_`, `whsk_` or `whpk_` and base64)."""

    code = "unreadable-secret"
    title = "This key cannot be read"

    def __init__(self, expected: str) -> None:
        super().__init__(expected, field="key")
