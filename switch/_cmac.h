/* AES-CMAC (RFC 4493) over the AES-128 of OpenSSL's provider.
 *
 * A proof needs two keys that are new with every debit.  EVP_EncryptInit_ex asks the provider for the length of the
 * key each time, by name, and stalls over the answer: 48 ns for a key that takes 15.  So the provider's own functions
 * are called, which libcrypto publishes for it: OSSL_PROVIDER_query_operation(3), provider-cipher(7).  They are the
 * same code that EVP calls, with the same contexts.
 *
 * Blocks are composed as numbers in registers and stored whole: one that is stored in pieces and loaded whole stalls
 * the processor for longer than it takes to encrypt.
 *
 * Keys of media and sessions are made in the memory of the cmac_t that takes them, and nowhere else.
 */
#ifndef CARDSWITCH_CMAC_H
#define CARDSWITCH_CMAC_H

#include <endian.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CMAC_BLOCK_BYTES = 16, CMAC_KEY_BYTES = 16 };

typedef uint64_t cmac_block_t __attribute__((vector_size(16)));

/* A block cipher under one key, and what AES-CMAC needs beside it. */
typedef struct {
    void *ctx;                                     /* the provider's, with the key schedule */
    OSSL_FUNC_cipher_encrypt_init_fn *set_key;
    OSSL_FUNC_cipher_cipher_fn *encrypt;
    OSSL_FUNC_cipher_freectx_fn *end;              /* wipes it */
    uint8_t k1[CMAC_BLOCK_BYTES];                  /* K2 is its double, made where it is needed; see cmac_take_key */
    uint8_t state[CMAC_BLOCK_BYTES];               /* right behind K1: what _cryptogram.h works on */
} cmac_t;

/* ---------------------------------------------------------------------- making and ending */

static const OSSL_DISPATCH *cmac_functions(const OSSL_PROVIDER *provider) {
    int may_not_be_kept = 0;
    const OSSL_ALGORITHM *algorithm = OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &may_not_be_kept);
    if (may_not_be_kept) return NULL;
    for (; algorithm != NULL && algorithm->algorithm_names != NULL; algorithm++) {
        const char *name = algorithm->algorithm_names, *end = name + strcspn(name, ":");
        if (end - name == 11 && memcmp(name, "AES-128-ECB", 11) == 0) return algorithm->implementation;
    }
    return NULL;
}

static void cmac_free(cmac_t *cmac) {
    if (cmac == NULL) return;
    if (cmac->ctx != NULL && cmac->end != NULL) cmac->end(cmac->ctx);
    OPENSSL_cleanse(cmac, sizeof(cmac_t));
    free(cmac);
}

/* One without a key yet, in memory from malloc; NULL: no memory, or no provider that has all that is needed. */
static cmac_t *cmac_new(void) {
    static EVP_CIPHER *cipher = NULL;              /* fetched once and kept, so its provider stays loaded */
    OSSL_FUNC_cipher_newctx_fn *make = NULL;
    const OSSL_DISPATCH *function;
    cmac_t *cmac;
    if (cipher == NULL) cipher = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    if (cipher == NULL) return NULL;
    function = cmac_functions(EVP_CIPHER_get0_provider(cipher));
    cmac = calloc(1, sizeof(cmac_t));
    for (; cmac != NULL && function != NULL && function->function_id != 0; function++) {
        if (function->function_id == OSSL_FUNC_CIPHER_NEWCTX) make = OSSL_FUNC_cipher_newctx(function);
        if (function->function_id == OSSL_FUNC_CIPHER_FREECTX) cmac->end = OSSL_FUNC_cipher_freectx(function);
        if (function->function_id == OSSL_FUNC_CIPHER_CIPHER) cmac->encrypt = OSSL_FUNC_cipher_cipher(function);
        if (function->function_id == OSSL_FUNC_CIPHER_ENCRYPT_INIT)
            cmac->set_key = OSSL_FUNC_cipher_encrypt_init(function);
    }
    if (cmac != NULL && make != NULL && cmac->end != NULL && cmac->encrypt != NULL && cmac->set_key != NULL)
        cmac->ctx = make(OSSL_PROVIDER_get0_provider_ctx(EVP_CIPHER_get0_provider(cipher)));
    if (cmac != NULL && cmac->ctx == NULL) {
        cmac_free(cmac);
        return NULL;
    }
    return cmac;
}

/* ---------------------------------------------------------------------- blocks */

static inline cmac_block_t cmac_load(const uint8_t *bytes) {
    cmac_block_t block;
    memcpy(&block, bytes, CMAC_BLOCK_BYTES);
    return block;
}

static inline void cmac_store(uint8_t *bytes, cmac_block_t block) { memcpy(bytes, &block, CMAC_BLOCK_BYTES); }

/* A block of two big-endian numbers. */
static inline cmac_block_t cmac_block(uint64_t first, uint64_t second) {
    cmac_block_t block = {htobe64(first), htobe64(second)};
    return block;
}

/* Its first (0) or second (1) number. */
static inline uint64_t cmac_number(cmac_block_t block, int index) { return be64toh(block[index]); }

/* Times x in GF(2^128), RFC 4493 section 2.3: no branch depends on the key. */
static inline cmac_block_t cmac_doubled(cmac_block_t block) {
    uint64_t high = cmac_number(block, 0), low = cmac_number(block, 1);
    return cmac_block(high << 1 | low >> 63, low << 1 ^ ((0 - (high >> 63)) & 0x87));
}

/* Some blocks, each for itself, in place; 0 when OpenSSL fails. */
static inline int cmac_encrypt(const cmac_t *cmac, uint8_t *blocks, int block_count) {
    size_t size = (size_t)block_count * CMAC_BLOCK_BYTES, out_bytes;
    return cmac->encrypt(cmac->ctx, blocks, &out_bytes, size, blocks, size) == 1;
}

static inline cmac_block_t cmac_encrypted(const cmac_t *cmac, cmac_block_t block) {
    cmac_encrypt(cmac, (uint8_t *)&block, 1);
    return block;
}

/* The last block, behind what the others came to; one that is not whole has its bit of padding (0x80) already. */
static inline void cmac_finish(const cmac_t *cmac, cmac_block_t state, cmac_block_t last, int is_whole, uint8_t *out) {
    cmac_block_t k = cmac_load(cmac->k1);
    cmac_store(out, state ^ last ^ (is_whole ? k : cmac_doubled(k)));
    cmac_encrypt(cmac, out, 1);
}

/* ---------------------------------------------------------------------- keys and messages */

/* A key without its subkeys; 0 when OpenSSL fails. */
static inline int cmac_set_key(const cmac_t *cmac, const uint8_t *key) {
    return cmac->set_key(cmac->ctx, key, CMAC_KEY_BYTES, NULL, 0, NULL) == 1;
}

/* Take the key that stands where K1 will; 0 when OpenSSL fails, and then nothing may be believed that it says. */
static inline int cmac_take_key(cmac_t *cmac) {
    const cmac_block_t zero = {0, 0};
    if (!cmac_set_key(cmac, cmac->k1)) return 0;
    cmac_store(cmac->k1, zero);
    if (!cmac_encrypt(cmac, cmac->k1, 1)) return 0;
    cmac_store(cmac->k1, cmac_doubled(cmac_load(cmac->k1)));
    return 1;
}

/* Take another key. */
static inline int cmac_rekey(cmac_t *cmac, const uint8_t *key) {
    memcpy(cmac->k1, key, CMAC_KEY_BYTES);
    return cmac_take_key(cmac);
}

/* AES-CMAC of blocks of two big-endian numbers each, one block at least. */
static inline void cmac_of_numbers(const cmac_t *cmac, const uint64_t *numbers, int block_count, int is_whole,
                                   uint8_t *out) {
    cmac_block_t state = {0, 0};
    for (int i = 0; i < block_count - 1; i++)
        state = cmac_encrypted(cmac, state ^ cmac_block(numbers[2 * i], numbers[2 * i + 1]));
    cmac_finish(cmac, state, cmac_block(numbers[2 * block_count - 2], numbers[2 * block_count - 1]), is_whole, out);
}

/* AES-CMAC of bytes. */
static inline void cmac_of_bytes(const cmac_t *cmac, const uint8_t *message, size_t size, uint8_t *out) {
    uint8_t last[CMAC_BLOCK_BYTES] = {0};
    cmac_block_t state = {0, 0};
    for (; size > CMAC_BLOCK_BYTES; message += CMAC_BLOCK_BYTES, size -= CMAC_BLOCK_BYTES)
        state = cmac_encrypted(cmac, state ^ cmac_load(message));
    if (size != 0) memcpy(last, message, size);
    if (size < CMAC_BLOCK_BYTES) last[size] = 0x80;
    cmac_finish(cmac, state, cmac_load(last), size == CMAC_BLOCK_BYTES, out);
}

/* What a medium's key is derived of, NXP AN10922: 01 | unique | F05254 | derivation | version | "SW001", as two blocks,
 * padded, when the unique number has 6 to 14 bytes. */
static inline void cmac_derivation(uint64_t unique, int unique_bytes, uint8_t derivation, uint8_t version,
                                   cmac_block_t *blocks) {
    unsigned __int128 tail = (unsigned __int128)(0xF052540000000000u | (uint64_t)derivation << 32
                                                 | (uint64_t)version << 24 | 0x535730u) << 64
                             | (uint64_t)0x303180 << 40;
    unsigned __int128 head = (unsigned __int128)1 << 120 | (unsigned __int128)unique << 8 * (15 - unique_bytes)
                             | tail >> 8 * (unique_bytes + 1);
    tail <<= 8 * (15 - unique_bytes);
    blocks[0] = cmac_block((uint64_t)(head >> 64), (uint64_t)head);
    blocks[1] = cmac_block((uint64_t)(tail >> 64), (uint64_t)tail);
}

/* A medium's key from its master. */
static inline void cmac_derive(const cmac_t *master, uint64_t unique, int unique_bytes, uint8_t derivation,
                               uint8_t version, uint8_t *key) {
    cmac_block_t blocks[2];
    cmac_derivation(unique, unique_bytes, derivation, version, blocks);
    cmac_finish(master, cmac_encrypted(master, blocks[0]), blocks[1], 0, key);
}
#endif
