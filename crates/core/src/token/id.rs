//! The public names of access tokens and of families of refresh tokens. Knowing one gives no access.

use crate::id::tagged_id;

tagged_id! {
    /// `jti` of an access token: 32 characters of base64url (user tag, then 12 random bytes). The tag leads to whoever has to say
    /// that the token is revoked.
    TokenId, "", "a token id is 32 characters of base64url"
}

tagged_id! {
    /// The name of a family: a refresh token with all its successors. `fam_` and 32 characters of base64url.
    FamilyId, "fam_", "a family id is fam_ and 32 characters of base64url"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserTag;

    #[test]
    fn ids_survive_their_text_and_nothing_else_is_one() {
        let (id, family) = (TokenId::generate(UserTag::anonymous()), FamilyId::generate(UserTag::anonymous()));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(family.to_string().parse(), Ok(family));
        for bad in ["", "fam_", &family.to_string(), &format!("{id}="), &format!("{id}A"), &"'".repeat(32)] {
            assert!(bad.parse::<TokenId>().is_err(), "{bad}");
        }
        assert!(id.to_string().parse::<FamilyId>().is_err());
    }
}
