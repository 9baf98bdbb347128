"""What can go wrong with profiles."""

from identity_privacy.errors import Invalid, NotFound


class UnknownPerson(NotFound):
    """No such person at this controller, or they were erased."""

    code = "unknown-person"
    title = "This person is not known here"


class MappingInvalid(Invalid):
    """The mapping file does not say how to read the import; the message names the member and what to write."""

    code = "mapping-invalid"
    title = "The mapping file cannot be used"


class RowInvalid(Invalid):
    """A row of an import cannot be read; it goes to the rejects file with its line number and this reason."""

    code = "row-invalid"
    title = "A row cannot be read"
