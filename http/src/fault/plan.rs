//! Why there is no plan, or none can be carried out.

use super::Fault;
use quorate_node::core::PlanError;

impl From<PlanError> for Fault {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::None(why) => Fault::NoPlan(why),
            PlanError::NotKept(why) => Fault::NoSuchPlan { why },
            PlanError::Propose(error) => Fault::Propose(error),
            PlanError::NoRandomness => Fault::NoRandomness,
        }
    }
}
