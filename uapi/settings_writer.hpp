// Settings as the lines of a `set`, for clients: what settings_parser.hpp reads.
#pragma once

#include "crypto/secret_text.hpp"
#include "settings/settings.hpp"

namespace wg::uapi {

/// Without `set=1` and the empty line. Endpoints must have been resolved.
void append(crypto::SecretText& text, const settings::Settings& settings);

}  // namespace wg::uapi
