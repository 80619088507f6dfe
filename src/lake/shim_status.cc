#include "lake/shim_status.h"

namespace inlet::lake {
namespace {

struct FreeError {
  void operator()(delta_shim_error* error) const { delta_shim_error_free(error); }
};

}  // namespace

Status shim_status(delta_shim_error* raw, const std::string& where) {
  const std::unique_ptr<delta_shim_error, FreeError> error(raw);
  if (error == nullptr) return Status::ok();
  const std::string message = delta_shim_error_message(error.get());
  switch (delta_shim_error_class(error.get())) {
    case DELTA_SHIM_INVALID: return Status(StatusCode::kInvalidArgument, "lake.invalid", message).at(where);
    case DELTA_SHIM_NOT_FOUND: return Status(StatusCode::kNotFound, "lake.not_found", message).at(where);
    case DELTA_SHIM_UNSUPPORTED:
      return Status(StatusCode::kInvalidArgument, "lake.unsupported_table", message).at(where);
    case DELTA_SHIM_TRANSIENT: return Status(StatusCode::kTransient, "lake.busy", message).at(where);
    case DELTA_SHIM_IO: return Status(StatusCode::kInternal, "lake.io", message).at(where);
    case DELTA_SHIM_CORRUPTION:
      return Status(StatusCode::kCorruption, "lake.corrupt", message)
          .at(where)
          .fix(
              "restore the file from a copy of the table, or delete it if it is a .crc, which the log does without; "
              "nothing is written until the log is whole");
    case DELTA_SHIM_DENIED:
      return Status(StatusCode::kUnavailable, "lake.store_denied", "the object store refuses the request")
          .at(where)
          .because(message)
          .fix(
              "check the credentials and what they may do; docs/object-stores.md lists the permissions that are "
              "needed");
    case DELTA_SHIM_NO_STORE:
      return Status(StatusCode::kUnavailable, "lake.no_bucket", "the bucket of the lake is not there")
          .at(where)
          .because(message)
          .fix("create the bucket, or correct lake.path, storage.endpoint or storage.region");
    case DELTA_SHIM_NO_CREDENTIALS:
      return Status(StatusCode::kUnavailable, "lake.no_credentials", "no credentials for the object store were found")
          .at(where)
          .because(message)
          .fix(
              "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile by storage.profile, or give the "
              "machine a role");
    case DELTA_SHIM_NO_CONDITIONAL_PUT:
      return Status(StatusCode::kInvalidArgument, "lake.no_conditional_put", "the object store cannot hold a lake")
          .at(where)
          .because(message)
          .fix("use a store that supports conditional writes");
    case DELTA_SHIM_INTERNAL: break;
  }
  return Status(StatusCode::kInternal, "lake.internal", message).at(where);
}

Status unexpected_document(const std::string& where, const std::string& why) {
  return Status(StatusCode::kInternal, "lake.internal", "a document of the Delta library cannot be read")
      .at(where)
      .because(why);
}

}  // namespace inlet::lake
