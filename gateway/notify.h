/* notify.h: tells systemd how the service is (Type=notify; sd_notify(3) gives the protocol, which
 * is promised to stay). One datagram to the socket named by NOTIFY_SOCKET; without that variable
 * nothing happens. Written here because libsystemd would bring five libraries for one sendto.
 */
#ifndef SIGPOST_GATEWAY_NOTIFY_H
#define SIGPOST_GATEWAY_NOTIFY_H

/* The service takes requests; status is a short sentence for `systemctl status`. Any thread. */
void notify_ready(const char *status);

/* Its configuration is being read again; notify_ready follows. */
void notify_reloading(void);

/* It drains. */
void notify_stopping(void);

#endif
