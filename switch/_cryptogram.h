/* Cryptograms of several chips, worked out side by side.
 *
 * Everything that a cryptogram needs is one chain: the card's key, its schedule, the session's key, its schedule, five
 * blocks that wait for each other.  A processor that has only one of them waits most of the time; with four it is
 * busy.  So each step is taken for all lanes before the next one, every lane in contexts of its own.
 *
 * Card keys come from one master as a rule: then the lanes' blocks are one message of several blocks for AES-ECB.
 *
 * Keys, and what could tell of them, are written only into the memory of `cmac_lanes_t` and its contexts, which the
 * caller has from guarded memory, and are overwritten there by the next chips'.
 */
#ifndef CARDSWITCH_CRYPTOGRAM_H
#define CARDSWITCH_CRYPTOGRAM_H

#include "_cmac.h"

enum { CMAC_LANES = 4, CRYPTOGRAM_BLOCKS = 3 };   /* two lanes gain most, four a little more, eight less again */

/* The contexts of all lanes. */
typedef struct {
    cmac_t *card[CMAC_LANES], *session[CMAC_LANES];
    uint8_t keys[CMAC_LANES][CMAC_KEY_BYTES];      /* derived, on their way into `card` */
} cmac_lanes_t;

/* What one lane has to do.  Nothing in it is secret. */
typedef struct {
    const cmac_t *master;                          /* of the card's key; NULL: `card` has been given it */
    cmac_block_t derivation[2];                    /* what the card's key is derived of; see cmac_derivation */
    cmac_block_t session;                          /* what the session's key is made of: one whole block */
    cmac_block_t asked[CRYPTOGRAM_BLOCKS];         /* what the cryptogram proves: whole blocks */
    cmac_block_t answer[2];                        /* what the answer proves, padded; but for `next` at the first's end */
    cmac_block_t cryptogram, mac;                  /* found: the cryptogram, and the answer's MAC */
    uint16_t command;                              /* the caller's, as it stands in the answer */
} cryptogram_t;

static void cmac_lanes_free(cmac_lanes_t *lanes) {
    if (lanes == NULL) return;
    for (int i = 0; i < CMAC_LANES; i++) cmac_free(lanes->card[i]), cmac_free(lanes->session[i]);
    OPENSSL_cleanse(lanes, sizeof(cmac_lanes_t));
    free(lanes);
}

/* All lanes, without keys yet, in memory from malloc; NULL: no memory, or no provider that has all that is needed. */
static cmac_lanes_t *cmac_lanes_new(void) {
    cmac_lanes_t *lanes = calloc(1, sizeof(cmac_lanes_t));
    for (int i = 0; lanes != NULL && i < CMAC_LANES; i++) {
        lanes->card[i] = cmac_new(), lanes->session[i] = cmac_new();
        if (lanes->card[i] == NULL || lanes->session[i] == NULL) {
            cmac_lanes_free(lanes);
            return NULL;
        }
    }
    return lanes;
}

/* The card's keys of all lanes that have a master: neighbours with the same one together. */
static inline int cmac_derive_lanes(cmac_lanes_t *lanes, const cryptogram_t *chips, int count) {
    int is_done = 1;
    for (int from = 0, to; from < count; from = to) {
        const cmac_t *master = chips[from].master;
        for (to = from + 1; to < count && chips[to].master == master; to++) {}
        if (master == NULL) continue;
        for (int i = from; i < to; i++) cmac_store(lanes->keys[i], chips[i].derivation[0]);
        is_done &= cmac_encrypt(master, lanes->keys[from], to - from);
        for (int i = from; i < to; i++)
            cmac_store(lanes->keys[i], cmac_load(lanes->keys[i]) ^ chips[i].derivation[1]
                                           ^ cmac_doubled(cmac_load(master->k1)));
        is_done &= cmac_encrypt(master, lanes->keys[from], to - from);
    }
    return is_done;
}

/* Work out what all chips' cryptograms and answers must be; 0 when OpenSSL fails, and then nothing may be believed. */
static int cmac_cryptograms(cmac_lanes_t *lanes, cryptogram_t *chips, int count) {
    const cmac_block_t zero = {0, 0};
    cmac_t *const *card = lanes->card, *const *session = lanes->session;
    int is_done = cmac_derive_lanes(lanes, chips, count), i;
    for (i = 0; i < count; i++) {
        if (chips[i].master != NULL) is_done &= cmac_set_key(card[i], lanes->keys[i]);
        cmac_store(lanes->keys[i], zero);
        cmac_store(card[i]->k1, zero);
    }
    for (i = 0; i < count; i++) is_done &= cmac_encrypt(card[i], card[i]->k1, 1);
    for (i = 0; i < count; i++) {                  /* K1 of the card, and with it the session's key */
        cmac_store(card[i]->k1, cmac_doubled(cmac_load(card[i]->k1)));
        cmac_store(card[i]->state, chips[i].session ^ cmac_load(card[i]->k1));
    }
    for (i = 0; i < count; i++) is_done &= cmac_encrypt(card[i], card[i]->state, 1);
    for (i = 0; i < count; i++) {
        is_done &= cmac_set_key(session[i], card[i]->state);
        cmac_store(card[i]->state, zero);
        cmac_store(session[i]->k1, zero);          /* K1 of the session, and behind it the cryptogram's first block */
        cmac_store(session[i]->state, chips[i].asked[0]);
    }
    for (i = 0; i < count; i++) is_done &= cmac_encrypt(session[i], session[i]->k1, 2);
    for (i = 0; i < count; i++) {
        cmac_store(session[i]->k1, cmac_doubled(cmac_load(session[i]->k1)));
        cmac_store(session[i]->state, cmac_load(session[i]->state) ^ chips[i].asked[1]);
    }
    for (i = 0; i < count; i++) is_done &= cmac_encrypt(session[i], session[i]->state, 1);
    for (i = 0; i < count; i++)
        cmac_finish(session[i], cmac_load(session[i]->state), chips[i].asked[2], 1, (uint8_t *)&chips[i].cryptogram);
    for (i = 0; i < count; i++) {
        cmac_block_t next = cmac_block(0, cmac_number(chips[i].cryptogram, 1) >> 32);
        cmac_store(session[i]->state, chips[i].answer[0] ^ next);
    }
    for (i = 0; i < count; i++) is_done &= cmac_encrypt(session[i], session[i]->state, 1);
    for (i = 0; i < count; i++)
        cmac_finish(session[i], cmac_load(session[i]->state), chips[i].answer[1], 0, (uint8_t *)&chips[i].mac);
    return is_done;
}
#endif
