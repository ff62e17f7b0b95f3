from django.contrib import admin
from django.http import JsonResponse
from django.urls import path


def whoami(request):
    return JsonResponse({
        "user": request.user.get_username(),
        "secure": request.is_secure(),
        "address": request.build_absolute_uri(),
        "cookies": sorted(request.COOKIES),
    })


urlpatterns = [path("admin/", admin.site.urls), path("whoami/", whoami)]
