/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells a service manager how far we are: sd_notify(3)'s protocol, one datagram to $NOTIFY_SOCKET.
 */
#ifndef FAIRLEAD_NOTIFY_H
#define FAIRLEAD_NOTIFY_H

/* state: "READY=1", "STOPPING=1". Without a service manager nothing happens. */
void notify_state(const char *state);

#endif
