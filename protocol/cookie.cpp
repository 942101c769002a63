#include "protocol/cookie.hpp"

namespace wg::protocol {
namespace {

constexpr char kLabelMac1[] = "mac1----";
constexpr char kLabelCookie[] = "cookie--";

crypto::Hash mac1_key(const PublicKey& receiver) noexcept {
  return crypto::hash({crypto::text_bytes(kLabelMac1), receiver.bytes});
}

SymmetricKey cookie_key(const PublicKey& responder) noexcept {
  return SymmetricKey(crypto::hash({crypto::text_bytes(kLabelCookie), responder.bytes}));
}

}  // namespace

CookieChecker::CookieChecker(const PublicKey& local) noexcept
    : mac1_key_(mac1_key(local)), cookie_key_(cookie_key(local)) {}

bool CookieChecker::equal(const crypto::Mac& a, const crypto::Mac& b) noexcept {
  return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

Cookie CookieChecker::cookie_of(const SymmetricKey& secret, ByteView source) noexcept {
  return crypto::mac(secret.bytes(), {source});
}

bool CookieChecker::mac2_matches(ByteView covered, const crypto::Mac& mac2, ByteView source,
                                 Instant now) const noexcept {
  // Whoever has no cookie sends zeros (5.4.4). A flood is made of these: they cost no lock, no
  // hash.
  if (mac2 == crypto::Mac{}) return false;
  const Lock lock(secrets_.mutex);
  const auto made_with = [&](const std::optional<CookieSecret>& secret,
                             std::chrono::seconds grace) noexcept {
    return secret && now < secret->until + grace &&
           equal(crypto::mac(cookie_of(secret->key, source), {covered}), mac2);
  };
  return made_with(secrets_.current, kCookieSecretGrace) ||
         made_with(secrets_.previous, kCookieSecretGrace);
}

CookieReply CookieChecker::make_reply(ReceiverIndex receiver, const crypto::Mac& mac1,
                                      ByteView source, Instant now) const noexcept {
  Cookie cookie;
  CookieReply reply;
  {
    const Lock lock(secrets_.mutex);
    if (!secrets_.current || now >= secrets_.current->until) {
      secrets_.previous = secrets_.current;
      CookieSecret fresh{.key = {}, .until = now + kCookieLifetime};
      randombytes_buf(fresh.key.data(), SymmetricKey::kSize);
      secrets_.current = fresh;
    }
    cookie = cookie_of(secrets_.current->key, source);
    if (secrets_.nonces_left == 0) {
      randombytes_buf(secrets_.nonces.data(), sizeof secrets_.nonces);
      secrets_.nonces_left = secrets_.nonces.size();
    }
    reply.nonce = secrets_.nonces[--secrets_.nonces_left];
  }
  reply.receiver = receiver;
  crypto::xseal(cookie_key_, reply.nonce, cookie, mac1, reply.sealed_cookie);
  return reply;
}

CookieJar::CookieJar(const PublicKey& remote) noexcept
    : mac1_key_(mac1_key(remote)), cookie_key_(cookie_key(remote)) {}

bool CookieJar::consume(const CookieReply& reply, Instant now) noexcept {
  const Lock lock(kept_.mutex);
  if (!kept_.last_mac1) return false;
  Cookie cookie;
  if (!crypto::xopen(cookie_key_, reply.nonce, reply.sealed_cookie, *kept_.last_mac1, cookie)) {
    return false;
  }
  kept_.cookie = FreshCookie{.cookie = cookie, .until = now + kCookieLifetime};
  kept_.last_mac1.reset();  // one reply for each message: a replayed one is not authentic any more
  return true;
}

crypto::Mac CookieJar::mac2_of(ByteView covered, const crypto::Mac& mac1, Instant now) noexcept {
  const Lock lock(kept_.mutex);
  kept_.last_mac1 = mac1;
  if (!kept_.cookie || now >= kept_.cookie->until) return {};
  return crypto::mac(kept_.cookie->cookie, {covered});
}

}  // namespace wg::protocol
