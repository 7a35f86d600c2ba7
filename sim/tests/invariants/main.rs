//! Every part of a checker fires on a history that breaks it, and is quiet on the nearest one that
//! does not. The broken histories are made by hand: the checker is told of what never happened.

mod hearing;
mod history;
mod limits;
mod liveness;
mod safety;
