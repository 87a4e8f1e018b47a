//! All gRPC services of the calendar over one `Core`, but for the collections, which the engine serves.
//! Called by `start`.

use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::routes::Routes;
use kontor_proto::calendar::v1::attachment_service_server::AttachmentServiceServer;
use kontor_proto::calendar::v1::availability_service_server::AvailabilityServiceServer;
use kontor_proto::calendar::v1::calendar_service_server::CalendarServiceServer;
use kontor_proto::calendar::v1::event_service_server::EventServiceServer;
use kontor_proto::calendar::v1::feed_service_server::FeedServiceServer;
use kontor_proto::calendar::v1::free_busy_service_server::FreeBusyServiceServer;
use kontor_proto::calendar::v1::message_service_server::MessageServiceServer;
use kontor_proto::calendar::v1::proposal_service_server::ProposalServiceServer;
use kontor_proto::calendar::v1::series_service_server::SeriesServiceServer;
use kontor_proto::calendar::v1::subscription_service_server::SubscriptionServiceServer;
use kontor_proto::calendar::v1::task_service_server::TaskServiceServer;

use super::Core;
use super::feed::Feeds;

/// The services, to be mounted.
pub fn routes(core: Core) -> Routes {
    let attachments = AttachmentServiceServer::new(core.clone())
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    macro_rules! large {
        ($server:ident) => {
            $server::new(core.clone()).max_decoding_message_size(MESSAGE_LIMIT)
        };
    }
    Routes::new(large!(CalendarServiceServer))
        .add_service(large!(EventServiceServer))
        .add_service(large!(TaskServiceServer))
        .add_service(large!(FreeBusyServiceServer))
        .add_service(large!(AvailabilityServiceServer))
        .add_service(large!(SeriesServiceServer))
        .add_service(large!(SubscriptionServiceServer))
        .add_service(large!(ProposalServiceServer))
        .add_service(attachments)
        .add_service(MessageServiceServer::new(core.clone()))
        .add_service(FeedServiceServer::new(Feeds::new(core)))
}
