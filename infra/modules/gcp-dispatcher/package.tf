# The zips, where they are not in Cloud Storage already. That of the API is the dispatcher's own where it gives none.

locals {
  files = merge(
    { for function, sha256 in { tick = var.package_sha256 } : function => { path = var.package, sha256 = sha256 } if var.package_object == null },
    { for function, api in { api = var.api } : function => { path = api.package, sha256 = api.package_sha256 } if try(api.package, null) != null },
  )

  uploads = { for function, object in google_storage_bucket_object.source : function => { bucket = object.bucket, name = object.name } }
  objects = {
    tick = var.package_object == null ? local.uploads.tick : var.package_object
    api  = coalesce(try(var.api.package_object, null), try(local.uploads.api, null), var.package_object, try(local.uploads.tick, null))
  }
}

resource "google_storage_bucket" "source" {
  count = var.package_object == null ? 1 : 0

  project                     = var.project
  name                        = "${var.project}-${var.name}-source"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # it holds what can be built anew
  labels                      = var.labels
}

# Another zip is another object, which the function is then built from.
resource "google_storage_bucket_object" "source" {
  for_each = local.files

  bucket = google_storage_bucket.source[0].name
  name   = "${each.key == "tick" ? "" : "${each.key}-"}${coalesce(each.value.sha256, try(filesha256(each.value.path), "no-package"))}.zip"
  source = each.value.path

  lifecycle {
    precondition {
      condition     = each.value.path != null
      error_message = "package: give the path of the zip, or in package_object an object that holds it."
    }

    precondition {
      condition     = var.package_object == null
      error_message = "api.package: with package_object the module has no bucket to put it into: give api.package_object."
    }
  }
}
