"""Settings, from the environment only; with an empty environment the embedded default runs and needs no server."""

from pathlib import Path

import django_stubs_ext
from csp.constants import NONE, SELF

from identity_privacy.environment import Environment

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# Where the embedded default keeps its files.
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))

# Where `manage.py demo` plays.
DEMO_DIR = Path(env.str("DEMO_DIR", default=str(BASE_DIR / "var" / "demo"))).resolve()

PRODUCTION = env.bool("PRODUCTION", default=False)
DEBUG = env.bool("DEBUG", default=False)
# Refused in production by the start-up check E001.
DEVELOPMENT_SECRET_KEY = "for development only, and refused in production"  # noqa: S105  # it is no secret
SECRET_KEY = env.str("SECRET_KEY", default=DEVELOPMENT_SECRET_KEY)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# How many proxies of ours each add the address of whom they answer to X-Forwarded-For; 0: clients come directly.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
# Where linked systems reach this service, for the address at which they report a result.
PUBLIC_URL = env.url_of("PUBLIC_URL", "http://localhost:8000", schemes=("https", "http"))
# Moves our own and the law's time forward for a demonstration; refused in production.
CLOCK_OFFSET_SECONDS = env.int("CLOCK_OFFSET_SECONDS", default=0)

INSTALLED_APPS = [
    "identity_privacy.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "guardian",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.idp.oidc",
    "rest_framework",
    "drf_spectacular",
    "identity_privacy.crypto",
    "identity_privacy.audit",
    "identity_privacy.access",
    "identity_privacy.delivery",
    "profiles",
    "consent",
    "dsar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "identity_privacy.middleware.keep_api_answers_out_of_caches",
    "identity_privacy.audit.origin.with_origin",
    "identity_privacy.access.api.throttle.tell_limits",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "identity_privacy.access.middleware.controller_by_host",
    "identity_privacy.access.single_sign_on.ask_again",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "identity_privacy.problems.RefusalPages",
]

ROOT_URLCONF = "identity_privacy.urls"
WSGI_APPLICATION = "identity_privacy.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Databases: the data, and the keys apart from it ------------------------------------------------
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; PRAGMA recursive_triggers=ON;"
    ),
}
DATABASES = {
    "default": env.database("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'data.sqlite3'}"),
    "keys": env.database("DATABASE_KEYS_URL", default=f"sqlite:///{VAR_DIR / 'keys.sqlite3'}"),
}
for _database in DATABASES.values():
    if _database["ENGINE"] == "django.db.backends.sqlite3":
        _database["OPTIONS"] = {**_SQLITE_OPTIONS, **_database.get("OPTIONS", {})}
    else:
        _database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASE_ROUTERS = ["identity_privacy.crypto.router.KeysRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Keys -------------------------------------------------------------------------------------------
# file:///path/root-key.json; env:// with the key in ROOT_KEY (base64, 32 bytes); awskms:///key?region=…;
# vault+https://host:8200/mount/key, and vault+http:// on this machine.
_ROOT_KEY_SCHEMES = ("file", "env", "awskms", "vault+https", "vault+http")
ROOT_KEY_URL = env.url_of("ROOT_KEY_URL", f"file://{VAR_DIR / 'root-key.json'}", schemes=_ROOT_KEY_SCHEMES)
ROOT_KEY = env.str("ROOT_KEY", default="")
# The root key until now, which only opens, while everything moves to the one above; env:// has it in ROOT_KEY_PREVIOUS.
ROOT_KEY_PREVIOUS_URL = env.url_of("ROOT_KEY_PREVIOUS_URL", "", schemes=_ROOT_KEY_SCHEMES)
ROOT_KEY_PREVIOUS = env.str("ROOT_KEY_PREVIOUS", default="")
# How long a key management service that does not answer is left alone, and a caller told to wait.
ROOT_KEY_RETRY_SECONDS = env.int("ROOT_KEY_RETRY_SECONDS", default=5)
# Vault's agent replaces the token's file, so it is read at each use; a token in the environment stays what it is.
VAULT_TOKEN_FILE = env.str("VAULT_TOKEN_FILE", default="")
VAULT_TOKEN = "" if VAULT_TOKEN_FILE else env.str("VAULT_TOKEN", default="")
VAULT_NAMESPACE = env.str("VAULT_NAMESPACE", default="")
# PEM file of the authorities that vouch for Vault, where they are not the system's.
VAULT_CACERT = env.str("VAULT_CACERT", default="")
# How long a controller's unwrapped key-encryption key stays in a process.
KEK_HOLD_SECONDS = env.int("KEK_HOLD_SECONDS", default=300)
# For how many days backups, replicas and archives of the keys database are kept: the day on which an erasure is final.
KEYS_BACKUP_DAYS = env.days("KEYS_BACKUP_DAYS", 30)
# The name under which this log signs its checkpoints (C2SP tlog-checkpoint).
DEVELOPMENT_LOG_ORIGIN = "identity-privacy.example/log"
AUDIT_LOG_ORIGIN = env.str("AUDIT_LOG_ORIGIN", default=DEVELOPMENT_LOG_ORIGIN)
# Public keys of the witnesses whose cosignatures are taken (C2SP signed-note verifier keys), with commas.
AUDIT_WITNESSES = env.list("AUDIT_WITNESSES", default=[])
# For how many days no entry of the log is pruned: claims lapse three years after the end of the year in which they
# arose (GDPR Art. 5(2), 17(3)(e), 82; for example BGB sections 195, 199(1)).
AUDIT_KEEP_DAYS = env.days("AUDIT_KEEP_DAYS", 1461)

# --- Sign-in ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"]
ANONYMOUS_USER_NAME = None  # guardian's database user for strangers: nobody gets permissions without signing in
LOGIN_URL = "access:sign-in"
LOGIN_REDIRECT_URL = "dsar:home"
SESSION_ENGINE = "identity_privacy.access.sessions"
# For as long a browser may follow a request; who has signed in with it is signed out much sooner (access/terms.py).
SESSION_COOKIE_AGE = 14 * 86_400  # seconds
SESSION_COOKIE_HTTPONLY = True
# No other host name, nor a page without TLS, can set a cookie with this prefix.
SESSION_COOKIE_NAME = "__Host-session" if PRODUCTION else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if PRODUCTION else "csrf"
# The packages for signing in keep no address and no name.
ACCOUNT_USER_MODEL_EMAIL_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
# Whether the console opens only after a second factor; refused as false in production (`access.E002`).
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", default=PRODUCTION)
ACCOUNT_ADAPTER = "identity_privacy.access.adapters.AccountAdapter"
# Whose accounts people may sign in with besides: a file of OpenID Connect providers (access/providers.py).
SIGN_IN_PROVIDERS = env.str("SIGN_IN_PROVIDERS", default="")
SOCIALACCOUNT_ADAPTER = "identity_privacy.access.oidc.SocialAccountAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10  # seconds
MFA_ADAPTER = "identity_privacy.access.adapters.MfaAdapter"
MFA_FORMS = {
    "activate_totp": "identity_privacy.access.forms.authenticators.ActivateAppForm",
    "authenticate": "identity_privacy.access.forms.authenticators.AppCodeForm",
    "reauthenticate": "identity_privacy.access.forms.authenticators.ConfirmByAppForm",
    "authenticate_webauthn": "identity_privacy.access.forms.authenticators.PasskeyStepForm",
    "add_webauthn": "identity_privacy.access.forms.authenticators.AddPasskeyForm",
    "login_webauthn": "identity_privacy.access.forms.authenticators.PasskeyForm",
    "reauthenticate_webauthn": "identity_privacy.access.forms.authenticators.ConfirmByPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# Browsers allow passkeys on this machine without TLS, for development.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_REAUTHENTICATION_REQUIRED = False  # our own pages ask, of everybody and not only of whom has a second factor
MFA_TOTP_TOLERANCE = 1  # a clock that is half a minute wrong
# What the packages count holds over all processes and hosts.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "access_cacheentry",
        "KEY_FUNCTION": "identity_privacy.access.limits.cache_key",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    }
}
# Machines: opaque tokens, of which only a hash is stored, so that one can be ended at once.
IDP_OIDC_ACCESS_TOKEN_FORMAT = "opaque"  # noqa: S105  # a form, no secret
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 3600  # seconds
# For each program, member of staff or, of those who have not signed in, network.
API_CALLS_PER_MINUTE = env.at_least_one("API_CALLS_PER_MINUTE", default=600)
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=PRODUCTION)
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "identity_privacy.access.hashers.RandomSecretHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Language, files, mail --------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "identity_privacy.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT: Path | None = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = VAR_DIR / "files"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
vars().update(env.mail("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="privacy@localhost")

# --- Delivery ---------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.url_of(
    "CELERY_BROKER_URL", "embedded://localhost", schemes=("embedded", "amqp", "amqps", "redis", "rediss")
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
# Threads: a worker mostly waits for others' answers, and one process is 60 MB.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("WORKER_THREADS", default=4)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Nothing is asked of workers by broadcast; on the embedded broker each dead worker's mailbox would fill for ever.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2.0
# A wake-up that cannot be sent must not hold up the page that caused it: the sweep finds the row.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0}
if CELERY_BROKER_URL.startswith("embedded://"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(VAR_DIR / "broker"), "polling_interval": 0.1}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
# Development only: linked systems on http://127.0.0.1 are allowed.
ALLOW_LOOPBACK_PARTNERS = env.bool("ALLOW_LOOPBACK_PARTNERS", default=False)
DELIVERY_RETRY_BASE_SECONDS = env.float("DELIVERY_RETRY_BASE_SECONDS", default=5.0)
DELIVERY_TIMEOUT_SECONDS = env.float("DELIVERY_TIMEOUT_SECONDS", default=10.0)
DELIVERY_LEASE_SECONDS = env.float("DELIVERY_LEASE_SECONDS", default=30.0)
DELIVERY_SWEEP_SECONDS = env.float("DELIVERY_SWEEP_SECONDS", default=10.0)
CELERY_BEAT_SCHEDULE = {
    "delivery.sweep": {
        "task": "delivery.sweep",
        "schedule": DELIVERY_SWEEP_SECONDS,
        # Sweeps that no worker took in time do not pile up behind one another.
        "options": {"expires": DELIVERY_SWEEP_SECONDS},
    },
    **{
        name: {"task": name, "schedule": DELIVERY_SWEEP_SECONDS, "options": {"expires": DELIVERY_SWEEP_SECONDS}}
        for name in ("dsar.fulfil", "dsar.answer", "dsar.recheck")
    },
    # Of its own, so that an entry waits for its place and a signed checkpoint for seconds, however rarely is swept.
    "audit.sequence": {"task": "audit.sequence", "schedule": 2.0, "options": {"expires": 2.0}},
    # A check that was asked for and whose worker died begins anew.
    "audit.check": {"task": "audit.check", "schedule": 60.0, "options": {"expires": 60.0}},
    "access.forget": {"task": "access.forget", "schedule": 3600.0, "options": {"expires": 3600.0}},
    "crypto.sweep": {"task": "crypto.sweep", "schedule": 86_400.0, "options": {"expires": 3600.0}},
}

# --- API --------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "identity_privacy.access.api.token.BearerToken",
        "identity_privacy.access.api.session.StaffSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["identity_privacy.parsing.JSONOnly"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["identity_privacy.access.api.throttle.PerCaller"],
    "EXCEPTION_HANDLER": "identity_privacy.problems.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Identity Privacy",
    "DESCRIPTION": "Who a controller's customers are, what each agreed to, and every request of theirs with its proof.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ActorKind": "identity_privacy.audit.api.entries.ACTOR_KINDS",
        "Channel": "dsar.terms.Channel",
        "Check": "dsar.terms.Check",
        "EvidenceKind": "dsar.terms.EvidenceKind",
        "Outcome": "dsar.terms.Outcome",
        "RequestKind": "dsar.terms.RequestKind",
        "RequestState": "dsar.terms.RequestState",
        "TaskKind": "dsar.api.task_results.ASKED",
        "TaskState": "dsar.terms.TaskState",
    },
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "clientSecret": {
                "type": "http",
                "scheme": "basic",
                "description": "`client_id` and `client_secret` of a program (RFC 6749, 2.3.1)",
            },
            "webhookSignature": {
                "type": "apiKey",
                "in": "header",
                "name": "webhook-signature",
                "description": "Standard Webhooks: v1 with the inbound secret, or v1a with the system's Ed25519 key",
            },
        }
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "identity_privacy.schema.complete",
    ],
}

# --- Logs: one line each on standard error, never a personal value -----------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "identity_privacy.logs.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.one_of("LOG_LEVEL", "INFO", words=("DEBUG", "INFO", "WARNING", "ERROR")),
    },
    # At DEBUG it writes what it sends to a key service, and the answers, whole: unwrapped keys and access tokens
    # among them.
    "loggers": {"botocore": {"level": "INFO"}, "oauthlib": {"level": "INFO"}},
}
