package s3

import "github.com/versity/versitygw/auth"

// one is the one account there is. Any other name is nobody's: what versitygw
// says of itself then is an error of its own administration, which no client of
// S3 knows.
type one struct{ auth.IAMService }

func newAccount(access, secret string) one {
	return one{auth.NewIAMServiceSingle(auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin})}
}

func (o one) GetUserAccount(access string) (auth.Account, error) {
	account, err := o.IAMService.GetUserAccount(access)
	if err != nil {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return account, nil
}

// accounts are those of Config.Accounts. Who they are is all that is asked here:
// what they may, who dials has found out.
type accounts struct {
	one
	secret func(access string) (string, bool)
}

func (a accounts) GetUserAccount(access string) (auth.Account, error) {
	if a.secret != nil {
		if secret, there := a.secret(access); there {
			return auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin}, nil
		}
	}
	return auth.Account{}, auth.ErrNoSuchUser
}
