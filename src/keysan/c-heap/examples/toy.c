/* A toy library in C that holds a key, and leaves it in two places. */
#include "toy.h"
#include <stdlib.h>
#include <string.h>

struct toy_session {
    unsigned char key[16];
    size_t count;
};

/* Leak 1: the last key that was used stays in a static. */
unsigned char toy_last_key[16];

struct toy_session *toy_start(const unsigned char key[16]) {
    struct toy_session *session = calloc(1, sizeof *session);
    if (session != NULL) memcpy(session->key, key, 16);
    return session;
}

void toy_encrypt(struct toy_session *session, unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < len; ++i) {
        unsigned char key = session->key[session->count++ % 16];
        bytes[i] ^= (unsigned char)(key << 3 | key >> 5);
    }
    memcpy(toy_last_key, session->key, 16);
}

/* Leak 2: the key is freed and not wiped. */
void toy_stop(struct toy_session *session) { free(session); }
