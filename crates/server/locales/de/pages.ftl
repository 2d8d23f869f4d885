### Was die Seiten sagen, auf Deutsch. Eingesetzte Namen hebt die Seite hervor.

error-prefix = Fehler:
skip = Zum Inhalt springen

## Anmelden

sign-in-title = Anmelden
sign-in-to = weiter zu { $name }
sign-in-to-account = mit Ihrem Konto bei { $name }
sign-in-username = Benutzername
sign-in-password = Passwort
sign-in-submit = Anmelden
sign-in-wrong = Benutzername oder Passwort stimmen nicht. Versuchen Sie es noch einmal.
sign-in-wait = Zu viele Versuche. Wartezeit: { $span }.
sign-in-expired = Diese Seite war zu lange offen, oder Ihr Browser hat ihr Cookie nicht behalten. Melden Sie sich noch einmal an.
sign-in-ended = Ihre Sitzung ist beendet. Melden Sie sich wieder an, um fortzufahren.
sign-in-again = Bestätigen Sie zu Ihrer Sicherheit, dass Sie es sind.

## Zustimmung

consent-title = { $name } möchte Ihr Konto verwenden
consent-signed-in = Angemeldet als { $name }
consent-switch = Anderes Konto verwenden
consent-scopes = Die Anwendung könnte dann
consent-sends-to = Führt Sie zu
consent-resource = Zur Verwendung mit
consent-lasts = Dauer
consent-until-ended = bis Sie es beenden
consent-client-id = Anwendungs-ID
consent-allow = Erlauben
consent-deny = Nicht erlauben
consent-revoke = Sie können diesen Zugriff jederzeit in Ihrem Konto beenden.
consent-website = Website
consent-privacy = Datenschutzerklärung
consent-terms = Nutzungsbedingungen
consent-unproven-title = Diese Anwendung lässt sich nicht überprüfen.
consent-unproven = Jede Anwendung kann sich als { $name } ausgeben. Erlauben Sie es nur, wenn Sie sie gerade selbst geöffnet haben.

scope-openid = Sie an einer Kennung Ihres Kontos wiedererkennen
scope-profile = Ihr Profil sehen, etwa Name und Bild
scope-email = Ihre E-Mail-Adresse sehen
scope-address = Ihre Postanschrift sehen
scope-phone = Ihre Telefonnummer sehen
scope-offline = Diesen Zugriff behalten, auch wenn Sie nicht da sind
scope-own = Die Berechtigung { $name } nutzen

## Abmelden

sign-out-title = Abmelden?
sign-out-signed-in = Sie sind als { $name } angemeldet.
sign-out-asked = { $name } möchte Sie auch hier abmelden.
sign-out-confirm = Abmelden
sign-out-stay = Um angemeldet zu bleiben, schließen Sie diese Seite.
signed-out-title = Sie sind abgemeldet
signed-out-close = Sie können diese Seite schließen.
signed-out-onward = Diese Seite führt gleich von selbst weiter.
signed-out-continue = Weiter zu { $name }
signed-out-frame = Meldet Sie bei einer Anwendung ab

## Formular

form-post-title = Einen Moment
form-post-hint = Es geht zurück zu { $name }. Falls nichts geschieht, geht es hier weiter.
form-post-continue = Weiter

## Fehler

error-request-title = Diese Anfrage lässt sich nicht beantworten
error-request = Die Anwendung, die Sie hierher geschickt hat, hat einen Fehler gemacht. Sie haben nichts falsch gemacht: Gehen Sie zurück und versuchen Sie es noch einmal. Geschieht es wieder, sagen Sie es denen, die die Anwendung betreiben.
error-forbidden-title = Dieses Formular gilt nicht mehr
error-forbidden = Es war zu lange offen oder nicht für diesen Browser bestimmt. Gehen Sie dorthin zurück, woher Sie kamen, und beginnen Sie noch einmal. Ihr Browser muss für diese Seite Cookies erlauben.
error-not-found-title = Diese Seite gibt es nicht
error-not-found = Prüfen Sie die Adresse, oder gehen Sie dorthin zurück, woher Sie kamen.
error-too-many-title = Zu viele Versuche
error-too-many = Zum Schutz Ihres Kontos geht es erst nach einer Pause weiter. Wartezeit: { $span }.
error-too-many-requests-title = Zu viele Anfragen
error-too-many-requests = Aus Ihrem Netz sind zu viele Anfragen gekommen. Versuchen Sie es noch einmal in: { $span }.
error-internal-title = Bei uns ist etwas schiefgegangen
error-internal = Es ist festgehalten. Versuchen Sie es noch einmal; geschieht es wieder, nennen Sie uns die Nummer unten.
error-unavailable-title = Gerade nicht verfügbar
error-unavailable = Der Dienst ist ausgelastet oder wird gewartet. Wartezeit: { $span }.
error-request-id = Anfrage

fault-missing = Der Parameter { $name } fehlt.
fault-repeated = Der Parameter { $name } steht mehr als einmal da.
fault-malformed = Der Parameter { $name } ist nicht lesbar.
fault-too-long = Der Parameter { $name } ist zu lang.
fault-unregistered = Der Parameter { $name } ist so hier nicht registriert.
fault-unsupported = Der Parameter { $name } verlangt etwas, das es hier nicht gibt.
fault-not-allowed = Der Parameter { $name } verlangt etwas, das diese Anwendung nicht darf.

## Konto

account-title = Ihr Konto
account-sign-out = Abmelden
account-sessions = Wo Sie angemeldet sind
account-sessions-about = Beenden Sie Sitzungen, die Sie nicht kennen, und ändern Sie dann Ihr Passwort.
account-applications = Anwendungen mit Zugriff
account-applications-about = Sie handeln für Sie mit dem, was Sie erlaubt haben. Nach dem Beenden müssen sie wieder fragen.
account-no-applications = Keine Anwendung hat Zugriff auf Ihr Konto.
account-password = Passwort
account-password-about = Wenn Sie es ändern, werden Sie überall sonst abgemeldet.
account-session-ended = Die Sitzung ist beendet.
account-application-ended = Die Anwendung hat keinen Zugriff mehr.
account-password-changed = Ihr Passwort ist geändert, und alle anderen Sitzungen sind beendet.

session-on = { $name } auf { $other }
session-unknown = Unbekannter Browser
session-current = Diese Sitzung
session-seen = Aktiv
session-since = Angemeldet
session-end = Beenden
session-end-of = Sitzung beenden: { $name }

application-since = Erlaubt
application-used = Zuletzt benutzt
application-unused = Zurzeit nicht in Gebrauch
application-can = Was sie darf
application-end = Zugriff beenden
application-end-of = Zugriff von { $name } beenden

place-this-machine = Dieser Rechner
place-local = Lokales Netz
place-network = Netz { $name }

password-current = Aktuelles Passwort
password-new = Neues Passwort
password-repeated = Neues Passwort, noch einmal
password-change = Passwort ändern
password-hint =
    { $count ->
        [one] Mindestens ein Zeichen.
       *[other] Mindestens { $count } Zeichen. Ein kurzer Satz ist leicht zu merken und schwer zu erraten.
    }
password-wrong = Das aktuelle Passwort stimmt nicht.
password-wait = Zu viele Versuche. Wartezeit: { $span }.
password-short = Das neue Passwort ist zu kurz.
password-long = Das neue Passwort ist zu lang.
password-different = Die beiden neuen Passwörter sind nicht gleich.
password-unchanged = Das neue Passwort ist das aktuelle.

## Zeiten

span-seconds =
    { $count ->
        [one] 1 Sekunde
       *[other] { $count } Sekunden
    }
span-minutes =
    { $count ->
        [one] 1 Minute
       *[other] { $count } Minuten
    }
span-hours =
    { $count ->
        [one] 1 Stunde
       *[other] { $count } Stunden
    }
span-days =
    { $count ->
        [one] 1 Tag
       *[other] { $count } Tage
    }
moment-now = gerade eben
moment-minutes =
    { $count ->
        [one] vor 1 Minute
       *[other] vor { $count } Minuten
    }
moment-hours =
    { $count ->
        [one] vor 1 Stunde
       *[other] vor { $count } Stunden
    }
moment-days =
    { $count ->
        [one] gestern
       *[other] vor { $count } Tagen
    }
moment-day = { $day }. { $month } { $year }
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember
