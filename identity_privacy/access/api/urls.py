"""Below `/api/v1/`."""

from django.urls import path

from identity_privacy.access.api.entry_proof import EntryProofView

urlpatterns = [
    path("audit/entries/<uuid:entry_id>/proof/", EntryProofView.as_view(), name="audit-entry-proof"),
]
