from django.contrib.auth.middleware import RemoteUserMiddleware


class TollgateUser(RemoteUserMiddleware):
    header = "HTTP_TOLLGATE_ID"
