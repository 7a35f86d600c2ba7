//! How high an incarnation is believed: so that no forged one is the last word about its member.

use crate::swim::member::Incarnation;

/// The highest incarnation that is believed whatever is held: half of the range. A member counts one
/// step for each time it was accused, so a higher one is an error, an attack, or a member that
/// contradicts what an attack made others believe.
pub(super) const LAST_AT_ONCE: Incarnation = 1 << 31;
/// The highest that is ever believed. Believed, one at the end of the range would wedge its member:
/// nobody, not the member itself, could say anything newer.
const LAST_CREDIBLE: Incarnation = 3 << 30;
/// Beyond [`LAST_AT_ONCE`] belief goes on from what is held by no more than this at once.
const STEP_MAX: Incarnation = 1 << 16;

/// The incarnation that a claim is taken for, with what is held of its member (0: nothing).
///
/// A credible claim that is too far ahead counts as one as far ahead as may be: whoever forged it
/// gains no more than by a smaller forgery, and if it is true (this node missed why), then the
/// member's next words are close to what is held now. Either way its member can contradict, and
/// whoever heard the forgery and who did not come to hold the same.
pub(super) fn believed(held: impl FnOnce() -> Incarnation, claimed: Incarnation) -> Option<Incarnation> {
    if claimed <= LAST_AT_ONCE {
        Some(claimed)
    } else if claimed <= LAST_CREDIBLE {
        Some(claimed.min(held().saturating_add(STEP_MAX).max(LAST_AT_ONCE)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use quickcheck_macros::quickcheck;

    use super::{Incarnation, LAST_AT_ONCE, LAST_CREDIBLE, STEP_MAX, believed};

    #[test]
    fn how_high_an_incarnation_is_believed() {
        const FAR: Incarnation = LAST_AT_ONCE + 10;
        for (held, claimed, expected) in [
            (0, 1, Some(1)),
            (9, 3, Some(3)),
            (0, LAST_AT_ONCE, Some(LAST_AT_ONCE)),
            (0, LAST_AT_ONCE + 1, Some(LAST_AT_ONCE)),
            (5, LAST_CREDIBLE, Some(LAST_AT_ONCE)),
            (5, LAST_CREDIBLE + 1, None),
            (5, Incarnation::MAX, None),
            (LAST_AT_ONCE - 1, LAST_AT_ONCE + 2, Some(LAST_AT_ONCE + 2)),
            (FAR, FAR - 1, Some(FAR - 1)),
            (FAR, FAR + STEP_MAX, Some(FAR + STEP_MAX)),
            (FAR, FAR + STEP_MAX + 1, Some(FAR + STEP_MAX)),
            (FAR, LAST_CREDIBLE, Some(FAR + STEP_MAX)),
            (FAR, LAST_CREDIBLE + 1, None),
        ] {
            assert_eq!(believed(|| held, claimed), expected, "{claimed} where {held} is held");
        }
    }

    /// The member contradicts what was believed of it, and whoever holds anything of it, or nothing,
    /// follows: at once, or when it is told again.
    #[quickcheck]
    fn no_claim_is_the_last_word(held: u16, forged: Incarnation) -> bool {
        let ends = [LAST_AT_ONCE, LAST_CREDIBLE].map(|end| end - 1 + forged % 3);
        [forged].into_iter().chain(ends).all(|forged| {
            let Some(accused) = believed(|| held.into(), forged) else { return true };
            let refuted = accused.max(held.into()) + 1;
            [0, held.into(), accused].into_iter().all(|held| {
                let first = believed(|| held, refuted);
                first.is_some_and(|first| first >= held && believed(|| first, refuted) == Some(refuted))
            })
        })
    }
}
