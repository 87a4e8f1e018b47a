//! Generated messages, clients and servers of every Kontor service, and their descriptors.
//! Called by all other crates; the sources are the .proto files beside this folder.

#![allow(missing_docs, reason = "generated code carries the comments of the .proto files")]
#![allow(clippy::all, reason = "generated code")]

/// Shared values and the event envelope.
pub mod r#type {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("kontor.r#type.v1");
    }
}

macro_rules! service {
    ($name:ident, $package:literal) => {
        #[doc = concat!("Package `", $package, "`.")]
        pub mod $name {
            /// Version 1.
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

service!(collection, "kontor.collection.v1");
service!(directory, "kontor.directory.v1");
service!(pipeline, "kontor.pipeline.v1");
service!(calendar, "kontor.calendar.v1");
service!(telephony, "kontor.telephony.v1");
service!(segmentation, "kontor.segmentation.v1");
service!(templating, "kontor.templating.v1");
service!(mail, "kontor.mail.v1");

/// The encoded `FileDescriptorSet` of everything, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
