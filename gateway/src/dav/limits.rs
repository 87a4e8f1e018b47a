//! Every bound of the DAV layer, in one place.
//! Called by the parsers, the methods and the property tables.

use std::time::Duration;

/// Largest object that PUT takes, in bytes; also the value of `max-resource-size`.
pub const OBJECT_BYTES: usize = 10 * 1024 * 1024;
/// Largest XML body of a REPORT, in bytes. Outlook CalDav Synchronizer names all objects of a calendar in one multiget.
pub const REPORT_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Largest XML body of PROPFIND, PROPPATCH, MKCOL and MKCALENDAR, in bytes.
pub const XML_BODY_BYTES: usize = 1024 * 1024;
/// Longest silence in the middle of a body.
pub const BODY_PAUSE: Duration = Duration::from_secs(60);
/// Deepest nesting of elements.
pub const XML_DEPTH: usize = 32;
/// Most elements in one body.
pub const XML_ELEMENTS: usize = 400_000;
/// Most attributes on one element.
pub const XML_ATTRIBUTES: usize = 64;
/// Most namespace declarations in force at one place.
pub const XML_NAMESPACES: usize = 64;
/// Longest namespace, element name or attribute value, in bytes.
pub const XML_NAME_BYTES: usize = 1024;
/// Most properties that one request may name.
pub const PROPERTIES: usize = 256;
/// Most bytes of property names in one request; they come back once for each resource in the answer.
pub const PROPERTY_NAME_BYTES: usize = 16 * 1024;
/// Largest value of a dead property, in bytes.
pub const DEAD_VALUE_BYTES: usize = 64 * 1024;
/// Most names in one multiget.
pub const MULTIGET_NAMES: usize = 100_000;
/// Most conditions of one filter, all levels together.
pub const FILTER_CONDITIONS: usize = 200;
/// Deepest nesting of comp-filter elements.
pub const FILTER_DEPTH: usize = 4;
/// Longest text of a text-match, in bytes.
pub const FILTER_TEXT_BYTES: usize = 1000;
/// Most entity tags in one condition header.
pub const ENTITY_TAGS: usize = 100;
/// Deepest nesting of properties in expand-property.
pub const EXPAND_DEPTH: usize = 4;
/// Most resources that one expand-property looks into.
pub const EXPAND_RESOURCES: usize = 200;
/// Most users and teams that one search looks at.
pub const PRINCIPALS_LOOKED_AT: usize = 20_000;
/// Most users and teams in the answer of a search.
pub const PRINCIPALS_FOUND: usize = 500;
/// Most property-search elements of one search.
pub const PRINCIPAL_SEARCHES: usize = 20;
/// Most users and teams that one request may share with, or stop to share with.
pub const SHAREES: usize = 200;
/// Most users and teams whose names are looked up for the `invite` properties of one answer.
pub const SHAREES_NAMED: usize = 200;
/// Most other resources that an `If` header may speak of.
pub const IF_LOOKUPS: usize = 10;
/// Push registrations that one request may leave out.
pub const SILENT_REGISTRATIONS: usize = 100;
/// An answer is handed on in pieces of about so many bytes.
pub const ANSWER_CHUNK_BYTES: usize = 64 * 1024;
/// Most attendees of a meeting that is scheduled; the calendar service refuses more.
pub const ATTENDEES: usize = 1_000;
/// Longest `xml:lang`, in bytes.
pub const LANGUAGE_BYTES: usize = 64;
/// Largest attachment, in bytes; also the value of `max-attachment-size`. The calendar service has the same.
pub const ATTACHMENT_BYTES: usize = 10 * 1024 * 1024;
/// Attachments of one object; the value of `max-attachments-per-resource`. The calendar service has the same.
pub const ATTACHMENTS: usize = 50;
/// Instances that one POST of an attachment may name.
pub const ATTACHMENT_INSTANCES: usize = 50;
/// Longest query of a POST of an attachment, in bytes.
pub const ATTACHMENT_QUERY_BYTES: usize = 4 * 1024;
/// What is read of a Content-Disposition, in bytes.
pub const DISPOSITION_BYTES: usize = 4 * 1024;
/// Longest path segment after decoding, in bytes.
pub const SEGMENT_BYTES: usize = 255;
/// Largest message taken from a service, in bytes: one object of the largest size with its frame.
pub const MESSAGE_BYTES: usize = 32 * 1024 * 1024;
