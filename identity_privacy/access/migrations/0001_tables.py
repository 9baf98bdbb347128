import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Controller",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("code", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=120)),
                ("host", models.CharField(help_text="The host name of its portal", max_length=253, unique=True)),
                (
                    "country",
                    models.CharField(
                        help_text="ISO 3166 code of its establishment, for its public holidays", max_length=2
                    ),
                ),
                ("time_zone", models.CharField(default="Europe/Berlin", max_length=64)),
                ("privacy_email", models.EmailField(max_length=254)),
            ],
            options={
                "permissions": (
                    ("work_console", "Can work in the console"),
                    ("see_requests", "Can see subject requests and their plans"),
                    ("see_people", "Can see people by pseudonym"),
                    ("see_consent", "Can see purposes, notices and counts of answers"),
                    ("see_systems", "Can see linked systems and messages to them"),
                    ("send_again", "Can send a message again that was given up"),
                    ("see_log", "Can see audit entries"),
                    ("check_log", "Can have the audit log checked"),
                    ("export_log", "Can download audit entries"),
                ),
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("username", models.CharField(max_length=150, unique=True)),
                ("subject_id", models.UUIDField(blank=True, null=True, unique=True)),
                ("is_staff", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=True)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
                (
                    "controller",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to="access.controller"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ControllerGroupPermission",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "content_object",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="access.controller"),
                ),
                ("group", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.group")),
                ("permission", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.permission")),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="SignInCode",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(null=True)),
                ("code_hash", models.CharField(max_length=128)),
                ("expires_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("used_at", models.DateTimeField(null=True)),
                ("controller", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="access.controller")),
            ],
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_staff", False), ("subject_id", None), _connector="OR"),
                name="nobody_is_staff_and_subject",
            ),
        ),
        migrations.AlterUniqueTogether(
            name="controllergrouppermission",
            unique_together={("group", "permission", "content_object")},
        ),
    ]
