"""Below `/api/v1/`."""

from django.urls import path

from identity_privacy.audit.api.checkpoint import CheckpointView
from identity_privacy.audit.api.consistency import ConsistencyView

urlpatterns = [
    path("audit/checkpoint/", CheckpointView.as_view(), name="audit-checkpoint"),
    path("audit/consistency/", ConsistencyView.as_view(), name="audit-consistency"),
]
