//! The gRPC interface of telephony: one file for each resource, and the ways in.
//! Hung into the unit by lib.rs.

mod asterisk;
mod board;
mod call;
mod call_list;
mod cloud;
mod connector;
mod connector_settings;
mod connector_state;
mod convert;
mod dialler;
mod dispatch;
mod do_not_call;
mod draft;
mod entry_import;
mod ingest;
mod list_convert;
mod list_entry;
mod list_opportunity;
mod number_import;
mod operator;
mod pacing;
mod plans;
mod pop;
mod refusals;
mod rows;
mod start_call;
mod switch;
mod takes;

use kontor_kit::context::Context;
use kontor_kit::link::MESSAGE_LIMIT;
use kontor_kit::routes::Routes;
use kontor_kit::slots::Slots;
use kontor_proto::telephony::v1::board_service_server::BoardServiceServer;
use kontor_proto::telephony::v1::call_list_service_server::CallListServiceServer;
use kontor_proto::telephony::v1::call_service_server::CallServiceServer;
use kontor_proto::telephony::v1::connector_service_server::ConnectorServiceServer;
use kontor_proto::telephony::v1::dialler_service_server::DiallerServiceServer;
use kontor_proto::telephony::v1::dispatch_service_server::DispatchServiceServer;
use kontor_proto::telephony::v1::do_not_call_service_server::DoNotCallServiceServer;
use kontor_proto::telephony::v1::ingest_service_server::IngestServiceServer;
use kontor_proto::telephony::v1::operator_service_server::OperatorServiceServer;
use kontor_proto::telephony::v1::pacing_service_server::PacingServiceServer;

use crate::board::Hub;
use crate::connectors::keeper::Keeper;
use crate::dialler::Wake;
use crate::intake::Intake;

/// Largest message of a telephone system: a webhook's body of 256 KiB with its headers. A stream's events wait by the hundred.
const INGEST_LIMIT: usize = 512 * 1024;

/// All services of this unit.
pub fn routes(context: &Context, intake: &Intake, keeper: &Keeper, board: &Hub, wake: &Wake) -> Routes {
    let connectors = connector::Connectors { intake: intake.clone(), keeper: keeper.clone() };
    let calls = call::Calls::new(context, intake);
    let ingest = ingest::Ingest::new(context, intake);
    let operators = operator::Operators { db: intake.db.clone() };
    let boards = board::Boards { context: context.clone(), hub: board.clone() };
    let pacings = pacing::Pacings { db: intake.db.clone(), zone: context.zone() };
    let diallers = dialler::Diallers::new(context, intake, wake);
    let (context, intake) = (context.clone(), intake.clone());
    let (plans, slots) = (plans::Plans::default(), Slots::default());
    let call_lists = call_list::CallLists {
        context: context.clone(),
        intake: intake.clone(),
        plans: plans.clone(),
        slots: slots.clone(),
    };
    let dispatch = dispatch::Dispatch {
        context: context.clone(),
        intake: intake.clone(),
        plans,
        takes: takes::Takes::default(),
    };
    let do_not_calls = do_not_call::DoNotCalls { context, intake, slots };
    Routes::new(ConnectorServiceServer::new(connectors).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(CallServiceServer::new(calls).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(IngestServiceServer::new(ingest).max_decoding_message_size(INGEST_LIMIT))
        .add_service(CallListServiceServer::new(call_lists).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(DispatchServiceServer::new(dispatch))
        .add_service(DoNotCallServiceServer::new(do_not_calls).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(OperatorServiceServer::new(operators).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(BoardServiceServer::new(boards).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PacingServiceServer::new(pacings).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(DiallerServiceServer::new(diallers))
}
