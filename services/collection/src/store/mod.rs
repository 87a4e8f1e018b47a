//! All SQL of the engine, on `&mut Conn` for reads and `&mut Tx` for writes.
//! Called by `rpc` and by the services in their own transactions.

pub mod audit;
pub mod collection;
pub mod dead;
pub mod kept;
pub mod lookup;
pub mod object;
pub mod object_property;
pub mod occurrence;
pub mod push;
pub mod query;
pub mod rows;
pub mod share;
pub mod shown;
pub mod sync;
pub mod tags;
pub mod transfer;
pub mod view;
pub mod write;
