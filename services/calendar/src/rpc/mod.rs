//! The gRPC services of the calendar: proto to domain and back, one file a resource.
//! Mounted by `start`.

mod convert;
