//! The example does what it says: its naive state machine is found out, its careful one is not.

#[path = "../examples/rider.rs"]
mod rider;

#[test]
fn the_naive_leader_is_found_out_and_the_careful_one_is_not() {
    rider::main();
}
