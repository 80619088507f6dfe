// Named points at which a test build can be killed, and nothing at all in a release build.
//
// INLET_FAULT_POINT("bronze.after_parquet") does nothing unless the program is built with -DINLET_FAULT_POINTS and the
// environment says INLET_KILL_AT=bronze.after_parquet:3 (die by SIGKILL at the third passage) or
// INLET_STOP_AT=name:N (SIGSTOP itself there, to be continued from outside).
// Every point's name is listed in tests/crash; a test fails when one of them is never reached.
#pragma once

namespace inlet {
/// Counts a passage through `name`; does not return from the passage that INLET_KILL_AT names. Thread safe.
void pass_fault_point(const char* name);
}  // namespace inlet

#ifdef INLET_FAULT_POINTS
#define INLET_FAULT_POINT(name) ::inlet::pass_fault_point(name)
#else
#define INLET_FAULT_POINT(name) static_cast<void>(0)
#endif
