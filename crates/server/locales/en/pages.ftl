### What the pages say, in English. Names that are put in are set apart by the page.

error-prefix = Error:
skip = Skip to the content

## Sign in

sign-in-title = Sign in
sign-in-to = to continue to { $name }
sign-in-to-account = to your { $name } account
sign-in-username = Username
sign-in-password = Password
sign-in-submit = Sign in
sign-in-wrong = The username or the password is not right. Try again.
sign-in-wait = Too many attempts. Try again in { $span }.
sign-in-expired = This page was open for too long, or your browser did not keep its cookie. Sign in again.
sign-in-ended = Your session has ended. Sign in again to go on.
sign-in-again = For your security, confirm that it is you.

## Consent

consent-title = { $name } would like to use your account
consent-signed-in = Signed in as { $name }
consent-switch = Use another account
consent-scopes = It would be able to
consent-sends-to = Takes you to
consent-resource = For use with
consent-lasts = Access lasts
consent-until-ended = until you end it
consent-client-id = Application ID
consent-allow = Allow
consent-deny = Don’t allow
consent-revoke = You can end this access at any time in your account.
consent-website = Website
consent-privacy = Privacy policy
consent-terms = Terms of service
consent-unproven-title = We cannot verify this application.
consent-unproven = Any application can claim to be { $name }. Allow only if you have just opened it yourself.

scope-openid = Recognise you by an identifier of your account
scope-profile = See your profile, such as your name and picture
scope-email = See your email address
scope-address = See your postal address
scope-phone = See your phone number
scope-offline = Keep this access while you are away
scope-own = Use the permission { $name }

## Sign out

sign-out-title = Sign out?
sign-out-signed-in = You are signed in as { $name }.
sign-out-asked = { $name } would like you to be signed out here too.
sign-out-confirm = Sign out
sign-out-stay = To stay signed in, close this page.
signed-out-title = You are signed out
signed-out-close = You can close this page.
signed-out-onward = This page goes on by itself in a moment.
signed-out-continue = Continue to { $name }
signed-out-frame = Signs you out of an application

## Form post

form-post-title = One moment
form-post-hint = You are on your way back to { $name }. If nothing happens, continue here.
form-post-continue = Continue

## Errors

error-request-title = This request cannot be answered
error-request = The application that sent you here has made a mistake. You did nothing wrong: go back and try again, and if it happens again, tell the people who run the application.
error-forbidden-title = This form is no longer valid
error-forbidden = It was open for too long, or it was not made for this browser. Go back to where you came from and start again. Your browser must allow cookies for this site.
error-not-found-title = There is no such page
error-not-found = Check the address, or go back to where you came from.
error-too-many-title = Too many attempts
error-too-many = To protect your account, wait { $span } before you try again.
error-too-many-requests-title = Too many requests
error-too-many-requests = Too many requests have come from your network. Try again in { $span }.
error-internal-title = Something went wrong on our side
error-internal = It has been recorded. Try again, and if it happens again, tell us the number below.
error-unavailable-title = Not available right now
error-unavailable = The service is busy or being maintained. Try again in { $span }.
error-request-id = Request

fault-missing = The parameter { $name } is missing.
fault-repeated = The parameter { $name } is there more than once.
fault-malformed = The parameter { $name } cannot be read.
fault-too-long = The parameter { $name } is too long.
fault-unregistered = The parameter { $name } is not one that is registered here.
fault-unsupported = The parameter { $name } asks for something that is not supported.
fault-not-allowed = The parameter { $name } asks for something that this application may not do.

## Account

account-title = Your account
account-sign-out = Sign out
account-sessions = Where you are signed in
account-sessions-about = End any session that you do not recognise, then change your password.
account-applications = Applications with access
account-applications-about = They act for you within what you allowed. Once ended, access has to be asked for again.
account-no-applications = No application has access to your account.
account-password = Password
account-password-about = Changing it signs you out everywhere else.
account-session-ended = The session has been ended.
account-application-ended = The application no longer has access.
account-password-changed = Your password has been changed, and all other sessions have been ended.

session-on = { $name } on { $other }
session-unknown = Unknown browser
session-current = This session
session-seen = Active
session-since = Signed in
session-end = End
session-end-of = End session: { $name }

application-since = Allowed
application-used = Last used
application-unused = Not in use now
application-can = What it may do
application-end = End access
application-end-of = End access of { $name }

place-this-machine = This machine
place-local = Local network
place-network = Network { $name }

password-current = Current password
password-new = New password
password-repeated = New password, once more
password-change = Change password
password-hint =
    { $count ->
        [one] At least one character.
       *[other] At least { $count } characters. A short sentence is easy to remember and hard to guess.
    }
password-wrong = The current password is not right.
password-wait = Too many attempts. Try again in { $span }.
password-short = The new password is too short.
password-long = The new password is too long.
password-different = The two new passwords are not the same.
password-unchanged = The new password is the same as the current one.

## Times

span-seconds =
    { $count ->
        [one] 1 second
       *[other] { $count } seconds
    }
span-minutes =
    { $count ->
        [one] 1 minute
       *[other] { $count } minutes
    }
span-hours =
    { $count ->
        [one] 1 hour
       *[other] { $count } hours
    }
span-days =
    { $count ->
        [one] 1 day
       *[other] { $count } days
    }
moment-now = just now
moment-minutes =
    { $count ->
        [one] 1 minute ago
       *[other] { $count } minutes ago
    }
moment-hours =
    { $count ->
        [one] 1 hour ago
       *[other] { $count } hours ago
    }
moment-days =
    { $count ->
        [one] yesterday
       *[other] { $count } days ago
    }
moment-day = { $day } { $month } { $year }
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
