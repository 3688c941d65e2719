/* A toy library in C that holds a key, as its header shows it. */
#ifndef TOY_H
#define TOY_H
#include <stddef.h>

struct toy_session;

/* Takes a key of 16 bytes. NULL if there is no memory. */
struct toy_session *toy_start(const unsigned char key[16]);
/* Encrypts in place. */
void toy_encrypt(struct toy_session *session, unsigned char *bytes, size_t len);
/* Ends the session. NULL is none. */
void toy_stop(struct toy_session *session);

#endif
