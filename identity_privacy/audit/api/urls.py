"""Below `/api/v1/`."""

from django.urls import path

from identity_privacy.audit.api.checkpoint import CheckpointView
from identity_privacy.audit.api.consistency import ConsistencyView
from identity_privacy.audit.api.cosignatures import CosignaturesView
from identity_privacy.audit.api.entries import EntryListView, EntryView
from identity_privacy.audit.api.entry_proof import EntryProofView
from identity_privacy.audit.api.hand_over import HandOverView

urlpatterns = [
    path("audit/checkpoint/", CheckpointView.as_view(), name="audit-checkpoint"),
    path("audit/consistency/", ConsistencyView.as_view(), name="audit-consistency"),
    path("audit/cosignatures/", CosignaturesView.as_view(), name="audit-cosignatures"),
    path("audit/entries/", EntryListView.as_view(), name="audit-entries"),
    path("audit/entries/<uuid:entry_id>/", EntryView.as_view(), name="audit-entry"),
    path("audit/entries/<uuid:entry_id>/proof/", EntryProofView.as_view(), name="audit-entry-proof"),
    path("audit/hand-over/", HandOverView.as_view(), name="audit-hand-over"),
]
