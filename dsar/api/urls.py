"""Below `/api/v1/`."""

from django.urls import path

from dsar.api.requests import RequestListView, RequestView
from dsar.api.task_results import TaskResultView

urlpatterns = [
    path("requests/", RequestListView.as_view(), name="requests"),
    path("requests/<slug:reference>/", RequestView.as_view(), name="request"),
    path("tasks/<uuid:task_id>/result/", TaskResultView.as_view(), name="task-result"),
]
