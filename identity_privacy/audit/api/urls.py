"""Below `/api/v1/`."""

from django.urls import path

from identity_privacy.audit.api.checkpoint import CheckpointView

urlpatterns = [
    path("audit/checkpoint/", CheckpointView.as_view(), name="audit-checkpoint"),
]
